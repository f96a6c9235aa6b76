"""Concept inference on sprites: how often the c of least energy, summed over several views, is right.

python -m experiments.sprites.concepts RUN [-n 100] [--views 1,2,4,8] [--out OUT.png]

Each trial draws a value of the concept and renders as many views of it, in all else independent. A shape is
right if it is that shape, a scale if it is within .05, a position if within a pixel on each axis, a rotation
if its phase is within 1/36 (10 degrees of a heart). Intervals are Wilson's, of 95 %.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import gibbsian as gb
from gibbsian.core.random import generator
from gibbsian.data.attributes import blocks_of, candidates
from gibbsian.data.names import SPRITE_BLOCKS
from gibbsian.data.shapes import SYMMETRY, Sprites, draw, render
from gibbsian.metrics.interval import share_interval
from gibbsian.report.plots import beside_title, named, panels, whiskers
from gibbsian.report.tables import table
from gibbsian.tasks.infer import infer


def views(concept: str, n: int, rng: torch.Generator) -> tuple[Sprites, Sprites]:
    """One sprite, and n that share its value of the concept."""
    one, many = draw(1, rng)[torch.zeros(n, dtype=torch.int64)], draw(n, rng)
    if concept == "shape":
        turned = 360 * many.phase / torch.tensor(SYMMETRY)[one.shape]
        return one, replace(many, shape=one.shape, rotation=turned)
    if concept == "rotation":
        return one, replace(many, rotation=360 * one.phase / many.symmetry)
    shared = {"x": one.x, "y": one.y} if concept == "position" else {"scale": one.scale}
    return one, replace(many, **shared)


def right(concept: str, name: str, one: Sprites) -> bool:
    """Whether the value called `name` is that of `one`."""
    if concept == "shape":
        return name == ("square", "ellipse", "heart")[int(one.shape[0])]
    if concept == "scale":
        return abs(float(name) - float(one.scale[0])) <= 0.05
    if concept == "rotation":
        apart = abs(float(name) / 360 - float(one.phase[0]))
        return min(apart, 1 - apart) <= 1 / 36
    x, y = (float(v) for v in name.split(","))
    return max(abs(x - float(one.x[0])), abs(y - float(one.y[0]))) <= 1 / 16


def shares(model: gb.EnergyModel, concept: str, n: int, trials: int) -> int:
    """How many of the trials are right."""
    assert model.record is not None
    names, c = candidates(concept, blocks_of(model.record.data))
    rng, hits, spec = generator(0), 0, model.spec
    for _ in range(trials):
        one, seen = views(concept, n, rng)
        x: Tensor = spec.low + (spec.high - spec.low) * render(seen)[:, None]
        found = infer(model, x, c, names=names, concept=concept)
        hits += right(concept, found.names[found.best], one)
    return hits


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--views", default="1,2,4,8")
    parser.add_argument("--concepts", default=",".join(SPRITE_BLOCKS))
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    model, counts = gb.load(given.run).inner, [int(v) for v in given.views.split(",")]
    figure, (panel,) = panels(1, 1)
    rows = []
    for k, concept in enumerate(given.concepts.split(",")):
        found = [share_interval(shares(model, concept, n, given.n), given.n) for n in counts]
        cells = [f"{100 * v.estimate:.0f} ({100 * v.low:.0f} to {100 * v.high:.0f})" for v in found]
        rows.append([concept, *cells])
        whiskers(panel, [v * (1 + 0.02 * k) for v in counts], found, label=concept)
    print(table(["right, %", *(f"{n} views" for n in counts)], rows))
    if given.out:
        named(panel, "", "views", "share right")
        beside_title(panel)
        panel.set(xscale="log", xticks=counts, xticklabels=[str(n) for n in counts], ylim=(0, 1))
        panel.minorticks_off()
        figure.savefig(given.out, dpi=110)


if __name__ == "__main__":
    main()
