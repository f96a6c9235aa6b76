"""Point masses, whose distribution is known: KL after one step and after ten, and nats."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from gibbsian.data.dataset import Dataset
from gibbsian.data.pointmass import MASSES, PointMass
from gibbsian.report.plots import named, panels
from gibbsian.report.tables import table
from gibbsian.tasks.rollout.steps import sequential

from .baselines import Fitting
from .methods import cells_of, keep, methods

PATHS, HORIZON = 20_000, 10
GRIDS = {"two_way": (16.0, 80), "ring": (2.5, 20)}
"""Half the side of the box, and cells along a coordinate."""


def divergence(x: Tensor, mass: PointMass, steps: int, box: float, bins: int) -> float:
    """KL(exact || histogram of `x` `(n, dim)`) in nats, with 1 / (n + 1) of the uniform mixed in."""
    p = mass.cells(torch.zeros(mass.dim), steps, box, bins).flatten()
    index = ((x.double() + box) / (2 * box) * bins).floor().clamp(-1, bins)
    inside = ((index >= 0) & (index < bins)).all(1)
    flat = (index[:, 0] * bins + index[:, 1] if mass.dim == 2 else index[:, 0])[inside].long()
    q = torch.bincount(flat, minlength=len(p)).double() / len(x)
    q = q + 1 / (len(x) + 1) / len(p)
    return float((p * (p.clamp(min=1e-300) / q).log()).sum())


def point_mass(name: str, seeds: int, how: Fitting, out: Path | None, parts: tuple[int, ...]) -> str:
    """The table of a point mass."""
    mass, train, test = MASSES[name], gb.dataset(f"pointmass:{name}"), gb.dataset(f"pointmass:{name}", "test")
    made = test.transitions
    assert made is not None and test.cond is not None
    box, bins = GRIDS[name]
    found: dict[str, dict[str, list[float]]] = {}
    ends: dict[str, Tensor] = {}
    start = torch.zeros(PATHS, 1, mass.dim)
    for seed in range(seeds):
        exact = mass.paths(start[:, 0].double(), HORIZON, gb.generator(100 + seed))
        row = {"one": divergence(exact[:, 1], mass, 1, box, bins), "nats": _exact_nats(mass, test)}
        keep(found, "exact draws", **row, ten=divergence(exact[:, -1], mass, HORIZON, box, bins))
        for label, make in methods(train, seed, how, parts).items():
            began = time.monotonic()
            draw, nats = make()
            paths = sequential(draw, made, start, HORIZON, gb.generator(seed))
            with torch.no_grad():
                value = float(nats(test.x, test.cond).mean()) if nats else float("nan")
            keep(found, label, one=divergence(paths[:, 1], mass, 1, box, bins),
                  ten=divergence(paths[:, -1], mass, HORIZON, box, bins), nats=value)  # fmt: skip
            ends[label] = paths[:, -1]
            print(seed, label, {k: round(v[-1], 4) for k, v in found[label].items()},
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    if out:
        _picture(mass, ends, box, bins).savefig(out, dpi=110)
    head = ["", "KL after 1 step", "KL after 10 steps", "held-out nats a step"]
    return table(
        head, [[k, *(cells_of(v[key]) for key in ("one", "ten", "nats"))] for k, v in found.items()], True
    )


def _exact_nats(mass: PointMass, test: Dataset) -> float:
    """Held-out nats of the exact density, of standardised steps as the models see them."""
    made = test.transitions
    assert made is not None
    log_p = torch.cat([mass.log_prob(path[:-1], path[1:]) for path in made.states])
    return float(-log_p.mean() - made.step.scale.double().log().sum())


def _picture(mass: PointMass, ends: dict[str, Tensor], box: float, bins: int) -> Any:
    """Places after ten steps of every method, with the exact density."""
    figure, found = panels(1, len(ends) + (mass.dim == 2), width=2.9, height=2.8)
    p = mass.cells(torch.zeros(mass.dim), HORIZON, box, bins * (1 if mass.dim == 1 else 4))
    if mass.dim == 2:
        found[0].imshow(p.T, origin="lower", extent=(-box, box, -box, box), cmap="magma")
        named(found[0], "exact", "", "")
    for panel, (label, x) in zip(found[mass.dim == 2 :], ends.items(), strict=True):
        if mass.dim == 2:
            panel.hist2d(*x.T.numpy(), bins=4 * bins, range=[(-box, box), (-box, box)], cmap="magma")
        else:
            panel.hist(x[:, 0].numpy(), bins=bins, range=(-box, box), density=True, color="#adb5bd")
            width = 2 * box / bins
            panel.plot(
                torch.linspace(-box + width / 2, box - width / 2, bins), p / width, color="#2a6f97", lw=1
            )
            panel.set_ylim(0, 1.6 * float(p.max()) / width)
        named(panel, label, "", "")
    return figure
