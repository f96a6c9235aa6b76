"""The section `scaling`: how the cost of a chain grows with the number of chains, of steps, of pixels and
of energies in a product, and whether its memory stays where it is when steps are added.

Each sweep times the same chains at several sizes, all sizes in turn once a round. Where the size is the
number of steps, a call is one chain from start to end; else it is so many steps that the clock is fine
enough, and the seconds are of one step. The record of a sweep is plain JSON:

    {"about": ..., "axis": "pixels", "per": "step", "sizes": [...], "labels": [...],
     "seconds": [[a round each] a size each], "peaks": {steps: MiB}}
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from gibbsian.core.energy import Energy
from gibbsian.core.errors import UsageError
from gibbsian.core.position import Position
from gibbsian.core.random import generator, seeded_init
from gibbsian.energies.algebra import Product
from gibbsian.mcmc.base import run
from gibbsian.mcmc.langevin import Langevin
from gibbsian.nets.build import build
from gibbsian.nets.families import AnyNet
from gibbsian.nets.settings import ConvConfig, MLPConfig

from .growth import plot, table
from .peak import highest, peak
from .problems import SEED, start
from .timing import interleave, seconds

__all__ = ["SWEEPS", "Sweep", "measure", "plot", "sweep", "table"]

Notify = Callable[[str], None]
KERNEL = Langevin(step_size=1e-3)
MLP = MLPConfig(hidden=(128, 128), activation="swish")
CONV = ConvConfig(channels=(16, 32, 64), activation="swish")
FINE = 0.1
"""Seconds that a timed call of single steps should take, at least."""
PEAKS = (10, 100, 1_000, 10_000)
"""Numbers of steps whose peak of memory is measured."""


@dataclass(frozen=True, eq=False)
class Ready:
    """Langevin chains that can be moved again and again from `x` on `energy`."""

    energy: Energy
    x: Position

    def move(self, steps: int) -> None:
        """Make `steps` steps and forget them."""
        run(KERNEL, self.energy, self.x, steps=steps, rng=generator(SEED), evaluate=False, compile=False)


@dataclass(frozen=True)
class Sweep:
    """Sizes to go through, and how to make the chains of one.

    `about` says which chains, `axis` what grows; `per` is "chain" where the size is the number of steps.
    `prepare` takes a size; `label` writes it.
    """

    about: str
    axis: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Ready]
    per: Literal["step", "chain"] = "step"
    label: Callable[[int], str] = "{:,}".format


def network(config: AnyNet, event: tuple[int, ...], seed: int = SEED) -> nn.Module:
    """An untrained network, frozen as chains want it."""
    with seeded_init(generator(seed)):
        return build(config, event).eval().requires_grad_(False)


def chains(number: int, event: tuple[int, ...] = (2,)) -> Ready:
    """So many chains on one MLP."""
    return Ready(network(MLP, event), start(number, event, generator(SEED)))


def images(pixels: int, number: int = 32) -> Ready:
    """Square grey images on a small convolutional network."""
    side = round(pixels**0.5)
    event = (1, side, side)
    return Ready(network(CONV, event), start(number, event, generator(SEED)))


def composed(energies: int, number: int = 64) -> Ready:
    """Chains in the plane on a product of MLPs."""
    parts = [network(MLP, (2,), seed) for seed in range(energies)]
    return Ready(Product(parts), start(number, (2,), generator(SEED)))


def _side(pixels: int) -> str:
    side = round(pixels**0.5)
    return f"{side} × {side}"


SWEEPS: dict[str, Sweep] = {
    "chains": Sweep(
        "chains in the plane on a 2-128-128-1 swish MLP",
        "chains",
        (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
        chains,
    ),
    "steps": Sweep(
        "64 chains in 64 dimensions on a 64-128-128-1 swish MLP",
        "steps",
        (10, 30, 100, 300, 1_000, 3_000, 10_000),
        lambda steps: chains(64, (64,)),
        per="chain",
    ),
    "pixels": Sweep(
        "32 grey images on a convolutional network of 16-32-64 channels, sides of 8 to 64 pixels",
        "pixels",
        tuple(side * side for side in (8, 12, 16, 24, 32, 48, 64)),
        images,
        label=_side,
    ),
    "energies": Sweep(
        "64 chains in the plane on a product of 2-128-128-1 swish MLPs",
        "energies",
        (1, 2, 3, 4, 6, 8, 12, 16),
        composed,
    ),
}


def measure(*, rounds: int, notify: Notify) -> dict[str, Any]:
    """Go through all sweeps, each size once in each of `rounds` rounds; `notify` hears what is going on.

    About two minutes for five rounds on two cores. Raises `UsageError` unless rounds is at least 1.
    """
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}: every size needs at least one turn")
    records = {}
    for name, found in SWEEPS.items():
        notify(f"{name}: {found.about}, {found.sizes[0]:,} to {found.sizes[-1]:,}")
        records[name] = sweep(found, rounds)
    notify(f"memory: {PEAKS[0]:,} to {PEAKS[-1]:,} steps, each in a process of its own")
    records["steps"]["peaks"] = {str(steps): peak_of(steps) for steps in PEAKS}
    return {"rounds": rounds, "threads": torch.get_num_threads(), "sweeps": records}


def peak_of(steps: int) -> float:
    """MiB that a new process needs to import the library and to make `steps` steps of the sweep's chains."""
    return peak(f"{__package__}.scaling", str(steps), str(torch.get_num_threads()))


def sweep(found: Sweep, rounds: int) -> dict[str, Any]:
    """The record of one sweep, without `peaks`."""
    calls, steps = {}, {}
    for size in found.sizes:
        ready = found.prepare(size)
        steps[size] = size if found.per == "chain" else fine_enough(ready)
        ready.move(min(steps[size], 10))
        calls[str(size)] = partial(ready.move, steps[size])
    taken = interleave(calls, rounds)
    parts = {size: 1 if found.per == "chain" else steps[size] for size in found.sizes}
    return {
        "about": found.about,
        "axis": found.axis,
        "per": found.per,
        "sizes": list(found.sizes),
        "labels": [found.label(size) for size in found.sizes],
        "seconds": [[t / parts[size] for t in taken[str(size)]] for size in found.sizes],
    }


def fine_enough(ready: Ready) -> int:
    """Steps of a timed call: 2 to 200, some `FINE` seconds long."""
    ready.move(2)
    return max(2, min(200, round(FINE / (seconds(lambda: ready.move(2)) / 2))))


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    SWEEPS["steps"].prepare(int(sys.argv[1])).move(int(sys.argv[1]))
    print(highest())
