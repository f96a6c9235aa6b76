"""Does an energy prefer an image to the same image damaged?

python -m experiments.ranking RUN [RUN ...] [-n 1000] [--data NAME] [--out F.json]

Share of held-out images whose -log p is below that of their damaged self, with Wilson's 95 %: with Gaussian
noise of .1 on [0, 1], blurred by one pixel, shifted by one pixel to the right, with 5 % of the pixels black.
Damaged images are clamped to the range of images. Half would be chance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import gibbsian as gb
from gibbsian.core.random import generator
from gibbsian.data.load import load
from gibbsian.metrics.interval import Interval, share_interval
from gibbsian.models.model import EnergyModel
from gibbsian.nets.frozen import frozen
from gibbsian.report.tables import plain, table
from gibbsian.train.fit import stored_config

CHUNK = 500


def noisy(x: Tensor, rng: torch.Generator) -> Tensor:
    """`x` in [0, 1] with noise of deviation .1."""
    return x + 0.1 * torch.randn(x.shape, generator=rng)


def blurred(x: Tensor, rng: torch.Generator) -> Tensor:
    """`x` `(B, C, H, W)` under a Gaussian of one pixel; the border goes on as it ends."""
    taps = torch.exp(-0.5 * torch.arange(-3.0, 4.0).square())
    kernel = (taps[:, None] * taps / taps.sum() ** 2).expand(x.shape[1], 1, 7, 7)
    return F.conv2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), kernel, groups=x.shape[1])


def shifted(x: Tensor, rng: torch.Generator) -> Tensor:
    """`x` one pixel to the right; the first column stays."""
    return torch.cat([x[..., :1], x[..., :-1]], -1)


def dropped(x: Tensor, rng: torch.Generator) -> Tensor:
    """`x` with 5 % of its places black."""
    return x * (torch.rand(len(x), 1, *x.shape[2:], generator=rng) >= 0.05)


DAMAGES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "noise .1": noisy,
    "blur": blurred,
    "shift by a pixel": shifted,
    "5 % dropped": dropped,
}


@torch.no_grad()
def ranked(model: EnergyModel, x: Tensor, seed: int = 0) -> dict[str, Interval]:
    """The share of images `x` `(N, C, H, W)` in [0, 1] with less -log p than damaged, by kind of damage."""
    low, high = model.spec.low, model.spec.high

    def energies(images: Tensor) -> Tensor:
        seen = low + (high - low) * images.clamp(0, 1)
        return torch.cat([model.neg_log_prob(part).double() for part in seen.split(CHUNK)])

    with frozen(model):
        clean = energies(x)
        found = {name: energies(damage(x, generator(seed))) for name, damage in DAMAGES.items()}
    return {name: share_interval(int((clean < e).sum()), len(x)) for name, e in found.items()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="+")
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--data", default=None)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows, told = [], {}
    for run in given.run:
        data = load(given.data or stored_config(run).data, "test")
        index = torch.randperm(len(data), generator=generator(0))[: given.n]
        found = ranked(gb.load(run).inner, data.batch(index, 0.0, 1.0).x)
        told[run] = {name: plain(v) for name, v in found.items()}
        shown = [f"{100 * v.estimate:.1f} ({100 * v.low:.1f} to {100 * v.high:.1f})" for v in found.values()]
        rows.append([stored_config(run).system, *shown])
        print(run, *shown, sep="  ", flush=True)
    print(table(["preferred to itself with, %", *DAMAGES], rows, markdown=True))
    if given.out:
        given.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
