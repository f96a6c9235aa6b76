"""Other energies for joint samples of sprites, by the same training and the same table as the preset.

python -m experiments.sprites.tries somewhere|low_noise --regressor FILE --out FOLDER [--steps 2000] [-n 128]

    somewhere   a mixture over places: E = |x|^2 / 2 - sigma^2 log sum_u exp(m_u / sigma^2 + b_u), m by
                convolutions of x, b log weights, both by all attributes. One sprite is at one place, so
                that the convolutions need not learn places
    low_noise   the preset's network without `matching.spread`, so that low noise counts as much as high,
                and noises from 4 on
The run in FOLDER goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import gibbsian as gb
from experiments.sprites.joint import samples
from experiments.sprites.regressor import HEADER, Errors, load, row
from gibbsian.core.random import generator, seeded_init
from gibbsian.data.shapes import draw, render
from gibbsian.models.score_matching.config import MatchingConfig
from gibbsian.nets.autoencoder import Layer
from gibbsian.nets.layers import LabelVector
from gibbsian.nets.precision import widened
from gibbsian.report.pictures import save_image, sheet
from gibbsian.report.tables import table

LADDER = MatchingConfig(levels=12, sigma_max=8.0)


class Somewhere(nn.Module):
    """Images `(B, 1, 32, 32)` and rows `(B, labels + levels)` to `(B,)`: four maps at 16 x 16 places each."""

    def __init__(self, labels: int, sigmas: tuple[float, ...], maps: int = 32, parts: int = 4) -> None:
        super().__init__()
        rows = labels + len(sigmas)
        sizes = (1, maps, 5, 2), (maps, maps, 5, 1), (maps, maps, 3, 1)
        self.layers = nn.ModuleList(
            Layer(nn.Conv2d(a, b, k, s, k // 2, bias=False), b, rows, nn.SiLU()) for a, b, k, s in sizes
        )
        self.out = nn.Conv2d(maps, parts, 1, bias=False)
        self.weights = LabelVector(parts * 256, rows)
        self.register_buffer("variances", torch.tensor(sigmas).square())
        self.variances: Tensor

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        size = (1 + x.square().mean((1, 2, 3), keepdim=True)).sqrt()
        h = x / size
        for k, layer in enumerate(self.layers):
            h = layer(h, y) + (h if k else 0)
        variance = (y[:, -len(self.variances) :] @ self.variances).clamp(min=self.variances[-1])
        m = (size * widened(self.out(h))).flatten(1)
        somewhere = variance * (m / variance[:, None] + self.weights(y)).logsumexp(1)
        return x.flatten(1).square().sum(1) / 2 - somewhere


def trained(kind: str, out: Path, steps: int) -> gb.EnergyModel:
    """The model of one try, gone on with where `out` holds a run."""
    settings: dict[str, Any] = {"preset": "sprites", "train__precision": "bf16", "steps": steps}
    if kind == "low_noise":
        settings |= {"matching__sigma_max": 4.0, "start__scale": 4.0, "matching__spread": None}
    else:
        with seeded_init(generator(0)):
            settings["net"] = Somewhere(33, LADDER.sigmas)
    return gb.fit("score_matching", "sprites", out=out, resume="auto", **settings)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("somewhere", "low_noise"))
    parser.add_argument("--regressor", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--formulas", default="right,at once")
    given = parser.parse_args()
    model = trained(given.kind, given.out, given.steps).inner
    asked, reader = draw(given.n, generator(1000)), load(given.regressor)
    rows, tiles = [], [render(asked)[:16]]
    for formula in given.formulas.split(","):
        began = time.process_time()
        images = samples([model], asked, formula, None)
        found = Errors.between(reader.read(images), asked)
        rows.append(row(f"{formula} ({time.process_time() - began:.0f} s)", found))
        tiles.append(images[:16])
    print(table(HEADER, rows))
    save_image(sheet(torch.cat(tiles)[:, None], 0, 1, 16), given.out / "samples.png")


if __name__ == "__main__":
    main()
