"""Named random streams from one seed. The library never draws from torch's global generator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

NAMES = ("data", "chain", "init", "eval")


def derive(seed: int, name: str, rank: int = 0) -> int:
    """A 63-bit seed for one named stream; streams of different names or ranks are unrelated."""
    digest = hashlib.sha256(f"{seed}/{name}/{rank}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A seeded generator on `device`."""
    return torch.Generator(device=device).manual_seed(seed)


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

    def state_dict(self) -> dict[str, Tensor]:
        """The state of every stream, one uint8 tensor each."""
        return {name: getattr(self, name).get_state() for name in NAMES}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore every stream."""
        for name in NAMES:
            getattr(self, name).set_state(state[name])


@contextmanager
def seeded_init(rng: torch.Generator) -> Iterator[None]:
    """Run modules that draw from torch's global generator (initialisation) under a forked, seeded one.

    The global state of the CPU, and of the device of `rng`, is left as it was.
    """
    seed = int(torch.randint(2**62, (), generator=rng, device=rng.device))
    devices = [rng.device] if rng.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield
