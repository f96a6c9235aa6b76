"""noise_energy in the plane, where its density can be integrated: docs/noise-energy.md.

python -m experiments.noise_levels.plane [--updates 8000] [--data ring,moons] [--losses all,denoising]

Rows are drawn from a known density; the model is trained on 50,000 of them by the preset toy. On a grid of
400 x 400 points: KL(truth with the least noise || model), the largest error of the mass around a mode, and
log Z of the energy as it is, which ought to be 0. log Z by annealing is beside. Every row is kept in the
folder --out as it comes.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from experiments.grid import Grid
from experiments.plane import blurred
from gibbsian.core.random import generator
from gibbsian.data.toy import Mixture, toy
from gibbsian.energies.context import single
from gibbsian.models.model import EnergyModel
from gibbsian.nets.frozen import frozen
from gibbsian.report.tables import table
from gibbsian.tasks.study.normalisation import study_normalisation

ROWS, BOX, POINTS = 50_000, 3.0, 400
LOSSES: dict[str, dict[str, Any]] = {
    "all": {},
    "all and balance": {"losses.balance": 1.0},
    "denoising": {"losses.time_score": 0.0, "losses.classification": 0.0},
    "time": {"losses.classification": 0.0},
    "classification": {"losses.time_score": 0.0},
}


@dataclass(frozen=True)
class Known:
    """A density with exact draws, and points around which its mass is counted."""

    density: Any
    modes: Tensor

    def draw(self, n: int) -> Tensor:
        """`n` rows `(n, 2)`."""
        x: Tensor = self.density.draw(n, generator(0))
        return (x[0] if isinstance(x, tuple) else x).float()


def known(name: str) -> Known:
    """ring has eight modes of weights 1 : 2 : ... : 8; the others are those of `toy:`."""
    if name != "ring":
        density = toy(name)
        squares = torch.cartesian_prod(torch.arange(4), torch.arange(4)) - 1.5
        halves = torch.tensor([[0.5, 0.4], [-0.5, -0.4]])
        return Known(density, squares[squares.sum(1) % 2 == 1] if name == "checkerboard" else halves)
    angle = 2 * math.pi * torch.arange(8, dtype=torch.float64) / 8
    modes = torch.stack([angle.cos(), angle.sin()], 1)
    weights = torch.arange(1, 9, dtype=torch.float64)
    factors = 0.15 * torch.eye(2, dtype=torch.float64).expand(8, 2, 2)
    return Known(Mixture(modes, factors, weights / weights.sum(), torch.arange(8)), modes)


def measured(model: EnergyModel, truth: Known, sigma: float) -> dict[str, float]:
    """What the grid says of a model whose least noise is `sigma`."""
    grid = Grid(-BOX, BOX, POINTS)
    with frozen(model):
        log_z = grid.log_z(lambda x: model.neg_log_prob(x))
        log_q = grid.log_density(lambda x: model.neg_log_prob(x))
    p = blurred(grid.log_density(lambda x: -truth.density.log_density(single(x).double())).exp(),
                sigma * (POINTS - 1) / (2 * BOX))  # fmt: skip
    cells = grid.log_weights().exp()
    mass, q = p * cells / (p * cells).sum(), log_q.exp() * cells
    kl = torch.where(mass > 1e-12, mass * ((mass / cells).log() - log_q), 0.0).sum()
    near = torch.cdist(grid.points(), truth.modes.float()).argmin(1)
    found = [torch.zeros(len(truth.modes)).double().index_add(0, near, m.flatten()) for m in (mass, q)]
    return {"kl": float(kl), "weights": float((found[0] - found[1]).abs().max()), "log_z": log_z}


def row(data: str, losses: str, updates: int) -> dict[str, Any]:
    """One training, measured."""
    truth, begun = known(data), time.process_time()
    model = gb.fit(
        "noise_energy", truth.draw(ROWS), preset="toy", steps=updates, progress=False, **LOSSES[losses]
    )
    spent = time.process_time() - begun
    inner: Any = model.inner
    found = measured(model, truth, inner.sigma_min)
    annealed = study_normalisation(inner, "toy:ring", n=200, draws=2).rows["log_z"]
    return {"data": data, "losses": losses, "updates": updates, "cpu_s": round(spent), **found,
            "annealed": [annealed.estimate, annealed.half_width]}  # fmt: skip


def main() -> None:
    """Train what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description="noise_energy in the plane against exact answers")
    parser.add_argument("--updates", type=int, default=8000)
    parser.add_argument("--data", default="ring,checkerboard,moons")
    parser.add_argument("--losses", default="all,denoising")
    parser.add_argument("--out", type=Path, default=Path("runs/noise-levels"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for data in args.data.split(","):
        for losses in args.losses.split(","):
            kept = args.out / f"{data}-{losses}-{args.updates}.json"
            if not kept.exists():
                print(f"{data}, losses {losses}: {args.updates} updates", flush=True)
                kept.write_text(json.dumps(row(data, losses, args.updates)))
            rows.append(json.loads(kept.read_text()))
    head = ("data", "losses", "KL", "weights off by", "log Z", "log Z annealed", "CPU s")
    lines = [
        (r["data"], r["losses"], f"{r['kl']:.4f}", f"{r['weights']:.4f}", f"{r['log_z']:.3f}",
         f"{r['annealed'][0]:.3f} ± {r['annealed'][1]:.3f}", str(r["cpu_s"]))
        for r in rows
    ]  # fmt: skip
    print(table(head, lines))


if __name__ == "__main__":
    main()
