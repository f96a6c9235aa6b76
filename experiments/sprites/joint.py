"""Joint samples of sprites: how many have all four attributes that were asked for.

python -m experiments.sprites.joint RUN [RUN RUN RUN] --regressor FILE [-n 256] [--steps K] [--out OUT.png]
    [--corrections K] [--particles K]

One RUN trained on sprites with label dropout, or one an attribute (sprites:shape, ...). Each of n chains has
attributes of its own, uniform and independent; with --particles each is the first of so many chains of the
same attributes, drawn anew at each level by their weights (runs of noise_energy). Rows of the table: the sum
of conditionals less E(x) three times, the plain sum, all attributes given to one model at once (one RUN
only), and no attribute at all. The picture has what was asked for on top, and below it a row for each row of
the table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from experiments.sprites.regressor import HEADER, Errors, load, row
from gibbsian.core.energy import Energy
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.attributes import alone, blocks_of
from gibbsian.data.names import SPRITE_BLOCKS
from gibbsian.data.shapes import Sprites, draw, encode, render
from gibbsian.energies.algebra import Product, Scaled
from gibbsian.models.capabilities import Adjustable, offered
from gibbsian.models.composed_sampler import ComposedSampler, OfLabel
from gibbsian.models.sampler import RunOptions, Sampler
from gibbsian.report.pictures import save_image, sheet
from gibbsian.report.tables import table

SHOWN = 16


def exact(models: Sequence[gb.EnergyModel]) -> bool:
    """Whether chains have a Metropolis test, which bfloat16 would make one of rounding."""
    return any(offered(model, Adjustable) for model in models)


def own_sampler(model: gb.EnergyModel, changes: Mapping[str, Any]) -> Sampler:
    """The model's sampler, with other settings of sampling where there are some."""
    sampler = model.sampler()
    if not changes:
        return sampler
    adjustable = offered(model, Adjustable)
    if adjustable is None:
        raise UsageError("--corrections and --particles are of runs of noise_energy")
    return adjustable.sampler_with(replace(getattr(adjustable, adjustable.section), **changes))


def sampler_of(
    models: Sequence[gb.EnergyModel], asked: Sprites, formula: str, changes: Mapping[str, Any]
) -> ComposedSampler:
    """The sampler of a sum of conditionals, each chain at attributes of its own: "right", "plain", "at once"
    or "none"."""
    parts, weights = [], []
    for model in models:
        assert model.record is not None
        blocks, size = blocks_of(model.record.data), sum(model.spec.condition)
        cs = [alone(asked, block, blocks) for block in blocks]
        if formula == "at once":
            cs = [encode(asked, blocks)]
        background = (1 - len(SPRITE_BLOCKS)) / len(models) if formula == "right" else 0.0
        if formula == "none":
            cs, background = [], 1 / len(models)
        parts += [OfLabel(own_sampler(model, changes), c) for c in cs]
        weights += [1.0] * len(cs)
        if background:
            parts.append(OfLabel(own_sampler(model, changes), torch.zeros(1, size)))
            weights.append(background)

    def summed(energies: Sequence[Energy]) -> Energy:
        return Product([Scaled(e, w) for e, w in zip(energies, weights, strict=True)])

    return ComposedSampler(parts, summed)


def samples(
    models: Sequence[gb.EnergyModel],
    asked: Sprites,
    formula: str,
    steps: int | None,
    seed: int = 0,
    changes: Mapping[str, Any] | None = None,
    particles: int = 1,
) -> Tensor:
    """Images `(n, 32, 32)`, black 0 and white 1, one for each sprite that was asked for."""
    if particles > 1:
        own = dict(changes or {}) | {"resample": True}
        groups = [asked[torch.full((particles,), k)] for k in range(len(asked.x))]
        found = [samples(models, one, formula, steps, seed + k, own) for k, one in enumerate(groups)]
        return torch.stack([images[0] for images in found])
    n, spec = len(asked.x), models[0].spec
    drawn = models[0].sample(
        n,
        sampler=sampler_of(models, asked, formula, changes or {}),
        steps=steps,
        seed=seed,
        chunk=n,
        options=RunOptions(precision="fp32" if exact(models) else "bf16"),
    )
    return ((drawn.x[:, 0] - spec.low) / (spec.high - spec.low)).clamp(0, 1)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--regressor", type=Path, required=True)
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--corrections", type=int, default=None)
    parser.add_argument("--particles", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formulas", default="right,plain,at once,none")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    models = [gb.load(run).inner for run in given.runs]
    changes = {} if given.corrections is None else {"corrections": given.corrections}
    regressor, asked = load(given.regressor), draw(given.n, generator(1000 + given.seed))
    truth = render(asked)
    rows = [row("renders of what was asked for", Errors.between(regressor.read(truth), asked))]
    tiles = [truth[:SHOWN]]
    for formula in given.formulas.split(","):
        began = time.process_time()
        images = samples(models, asked, formula, given.steps, given.seed, changes, given.particles)
        found = Errors.between(regressor.read(images), asked)
        rows.append(row(f"{formula} ({time.process_time() - began:.0f} s)", found))
        tiles.append(images[:SHOWN])
    print(table(HEADER, rows))
    if given.out:
        save_image(sheet(torch.cat(tiles)[:, None], 0, 1, SHOWN), given.out)


if __name__ == "__main__":
    main()
