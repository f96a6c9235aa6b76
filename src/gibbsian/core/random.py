"""Named random streams from one seed, and the one door by which `rng` arguments come in.

The library draws from torch's own generator only where a caller passed `rng=None`, and then by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import TypeAlias

import torch
from torch import Tensor

from .errors import UsageError

RngLike: TypeAlias = torch.Generator | int | None
"""What public functions take as `rng`: a generator, a seed, or None for torch's own generator."""

NAMES = ("data", "chain", "init", "eval")


def derive(seed: int, name: str, rank: int = 0) -> int:
    """A 63-bit seed for one named stream; streams of different names or ranks are unrelated.

    Raises `UsageError` for a seed that is no whole number of 64 bits.
    """
    digest = hashlib.sha256(f"{_whole(seed, 'seed')}/{name}/{rank}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _whole(seed: object, name: str) -> int:
    if isinstance(seed, Integral) and not isinstance(seed, bool) and -(2**63) <= int(seed) < 2**64:
        return int(seed)
    raise UsageError(f"{name} is {seed!r}: a seed is a whole number of 64 bits, such as 0")


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A seeded generator on `device`."""
    return torch.Generator(device=device).manual_seed(seed)


def as_generator(rng: RngLike, device: torch.device | str | None = None) -> torch.Generator:
    """The generator that `rng` means, for draws on `device`; without one, that of `rng`, or the CPU.

    A generator is returned as it is, a seed makes a new one, and None is torch's default generator of the
    device, whose state then moves on. Raises `UsageError` for anything else, for a generator of another kind
    of device, and for None on a device whose default generator torch does not give out.
    """
    if isinstance(rng, torch.Generator):
        if device is not None and rng.device.type != torch.device(device).type:
            raise UsageError(
                f"rng is a generator on {rng.device} for draws on {device}: use generator(seed, '{device}')"
            )
        return rng
    device = torch.device(device or "cpu")
    if isinstance(rng, Integral) and not isinstance(rng, bool):
        return generator(_whole(rng, "rng"), device)
    if rng is not None:
        raise UsageError(f"rng is {rng!r}: give a torch.Generator, a whole number as seed, or None")
    return _default_generator(device)


def as_stream(rng: RngLike, device: torch.device | str | None = None) -> torch.Generator:
    """As `as_generator`, for a function that is called again and again: a seed raises `UsageError`."""
    if isinstance(rng, Integral):
        raise UsageError(
            f"rng is the seed {rng}, with which every call would draw the same: make a generator once, "
            f"rng = generator({rng}), and pass that"
        )
    return as_generator(rng, device)


def _default_generator(device: torch.device) -> torch.Generator:
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    raise UsageError(f"torch gives out no default generator of {device}: pass rng=generator(0, '{device}')")


class Streams:
    """The streams `data` (batches), `chain` (MCMC and starts), `init` (weights), `eval` (measures).

    `init` is the same on every rank, so that all ranks start from equal weights.
    """

    def __init__(self, seed: int, rank: int = 0, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.data = generator(derive(seed, "data", rank))
        self.chain = generator(derive(seed, "chain", rank), device)
        self.init = generator(derive(seed, "init"))
        self.eval = generator(derive(seed, "eval", rank), device)

    def __repr__(self) -> str:
        return f"Streams({self.seed}, device='{self.chain.device}')"

    def state_dict(self) -> dict[str, Tensor]:
        """The state of every stream, one uint8 tensor each."""
        return {name: getattr(self, name).get_state() for name in NAMES}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore every stream."""
        for name in NAMES:
            getattr(self, name).set_state(state[name])


@contextmanager
def seeded_init(rng: torch.Generator | int) -> Iterator[None]:
    """Run modules that draw from torch's global generator (initialisation) under a forked, seeded one.

    `rng` is a generator, of which one number is drawn, or a seed. The global state of the CPU, and of the
    device of `rng`, is left as it was.
    """
    rng = as_generator(rng)
    seed = int(torch.randint(2**62, (), generator=rng, device=rng.device))
    devices = [rng.device] if rng.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield
