"""What the estimators of log Z say of targets whose log Z is known: the record log_z of docs/measures.md.

python -m experiments.log_z OUT.json      some three minutes

Closed forms (Gaussians, a mixture), sums (a restricted Boltzmann machine, the Ising model), and models of the
plane that are trained here for 400 updates, by a grid.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import gibbsian as gb
from experiments.book.records import made_here
from gibbsian.core.energy import Energy
from gibbsian.energies.binary import RBM, Ising
from gibbsian.energies.target import Target

MIXTURE = [[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]]
SYSTEMS = ("nce", "snl", "generative_convnet", "cebm", "energy_matching", "score_matching")
HEAD = "target, log Z, found (95 %), forward, reverse, upper_forward, thermodynamic, levels, seconds".split(
    ", "
)


def gaussian(d: int) -> gb.Gaussian:
    """The one of docs/measures.md."""
    rng = gb.generator(d)
    a = torch.randn(d, d, generator=rng, dtype=torch.float64)
    cov = a @ a.T / d + 0.1 * torch.eye(d, dtype=torch.float64)
    return gb.Gaussian(3 * torch.randn(d, generator=rng, dtype=torch.float64), cov)


def rbm(visible: int, hidden: int) -> RBM:
    """With standard normal weights and biases."""
    rng = gb.generator(0)
    return RBM(*(torch.randn(n, generator=rng) for n in ((visible, hidden), (visible,), (hidden,))))


def known() -> Iterator[tuple[str, Target, dict[str, Any]]]:
    """Targets with their names and what `log_partition` is told of them."""
    for d in (2, 10, 30, 100):
        yield f"Gaussian, d = {d}", gaussian(d), {}
    yield "mixture of three", gb.GaussianMixture([0.5, 0.3, 0.2], MIXTURE, std=0.6), {}
    yield "RBM, 20 visible, 8 hidden", rbm(20, 8), {"values": (0, 1)}
    for coupling, field in ((0.4, 0.0), (0.44, 0.1), (0.7, 0.0)):
        yield f"Ising 4 x 4, J = {coupling}, h = {field}", Ising(4, 4, coupling, field), {"values": (-1, 1)}


def plane() -> Iterator[tuple[str, Callable[[], float], Energy]]:
    """Trained models with log Z by a grid."""
    for system in SYSTEMS:
        model = gb.fit(system, "toy:ring", preset="toy", steps=400, progress=False)
        energy = model.neg_log_prob

        def grid(energy: Energy = energy) -> float:
            return gb.quadrature(energy, event_shape=(2,)).value

        yield f"{system}, toy:ring, 400 updates", grid, energy


def row(name: str, truth: float, energy: Energy, shape: tuple[int, ...], **how: Any) -> dict[str, Any]:
    """What is found of one target."""
    began = time.process_time()
    found = gb.log_partition(energy, event_shape=shape, rng=1, **how)
    told = {"name": name, "truth": truth, **found.to_dict(), "seconds": time.process_time() - began}
    print(f"{name}: {truth:.4f}, {found}", flush=True)
    return told


def cells(told: dict[str, Any]) -> list[str]:
    """A row of the table."""
    digits = [f"{told[key]:.3f}" for key in ("lower", "upper", "upper_forward", "thermodynamic")]
    interval = f"{told['value']:.3f} [{told['low']:.3f}, {told['high']:.3f}]"
    return [
        told["name"],
        f"{told['truth']:.3f}",
        interval,
        *digits,
        str(told["levels"]),
        f"{told['seconds']:.1f}",
    ]


def main(out: Path) -> None:
    """Measure all, and write the record."""
    rows = [row(name, t.log_z, t, t.event, **how) for name, t, how in known()]
    rows += [row(name, grid(), energy, (2,), particles=4000) for name, grid, energy in plane()]
    record = {
        "source": "measured",
        "command": "python -m experiments.log_z docs/records/log_z.json",
        **made_here(),
        "seed": 1,
        "particles": "1,000; 4,000 of trained models",
        "rows": rows,
        "table": {"head": HEAD, "body": [cells(told) for told in rows]},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
