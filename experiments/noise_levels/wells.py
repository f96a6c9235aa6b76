"""Two Gaussians of different width in 100 dimensions, half and half: docs/noise-energy.md.

python -m experiments.noise_levels.wells [--updates 4000] [--losses all,denoising]

N(0, 1/9) and N(0, 16/9) hardly overlap, so that denoising sees the slope of each and not how they stand to
one another (F. Guth, Z. Kadkhodaie, E. Simoncelli 2025, there in 1,000 dimensions).

Printed for each choice of losses, at the least noise, over draws of each well that were not trained on: mean
of U - (-log p), and the share of the narrow well that follows from its difference, which is 1/2.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from experiments.noise_levels.plane import LOSSES
from gibbsian.core.random import generator
from gibbsian.nets.frozen import frozen
from gibbsian.report.tables import table

D, WIDTHS, ROWS, HELD_OUT = 100, (1 / 3, 4 / 3), 20_000, 1000
SETTINGS: dict[str, Any] = {
    **{"net.width": 128, "noise.sigma_min": 0.1, "noise.sigma_max": 30.0, "losses.pairs": 0.5},
    **{"train.batch_size": 256, "pixels.low": -8.0, "pixels.high": 8.0},
}


def drawn(n: int, width: float, seed: int) -> Tensor:
    """`n` draws of one well, `(n, D)`."""
    return width * torch.randn(n, D, generator=generator(seed))


def true_energy(x: Tensor, sigma: float) -> Tensor:
    """-log p of both wells with noise, `(B,)`."""
    logs = []
    for width in WIDTHS:
        total = width**2 + sigma**2
        square = x.double().square().sum(1) / total
        logs.append(-math.log(2) - 0.5 * square - D / 2 * math.log(2 * math.pi * total))
    return -torch.stack(logs, 1).logsumexp(1)


def row(losses: str, updates: int) -> tuple[str, ...]:
    """One training, measured."""
    x = torch.cat([drawn(ROWS // 2, width, seed) for seed, width in enumerate(WIDTHS)])
    begun = time.process_time()
    model = gb.fit(
        "noise_energy", x, preset="toy", steps=updates, progress=False, **SETTINGS, **LOSSES[losses]
    ).inner
    sigma, off = SETTINGS["noise.sigma_min"], []
    with frozen(model), torch.no_grad():
        for seed, width in enumerate(WIDTHS):
            at = drawn(HELD_OUT, math.hypot(width, sigma), 10 + seed)
            off.append(float((model.neg_log_prob(at).double() - true_energy(at, sigma)).mean()))
    share = 1 / (1 + math.exp(min(max(off[0] - off[1], -700), 700)))
    spent = round(time.process_time() - begun)
    return losses, f"{off[0]:+.2f}", f"{off[1]:+.2f}", f"{share:.3f}", str(spent)


def main() -> None:
    """Train with each choice of losses, and print the table."""
    parser = argparse.ArgumentParser(description="two wells of different width in 100 dimensions")
    parser.add_argument("--updates", type=int, default=4000)
    parser.add_argument("--losses", default=",".join(LOSSES), help="some of them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row(losses, args.updates) for losses in args.losses.split(",")]
    print(table(("losses", "narrow, nats off", "wide, nats off", "share of narrow", "CPU s"), rows))


if __name__ == "__main__":
    main()
