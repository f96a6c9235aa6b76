"""Product, mixture and negation in the plane, exactly and by chains: for docs/composition.md.

python -m experiments.composition OUT.png [-n 5000]

Left the exact density on a grid (its root, so that faint parts show), in the middle 12 chains on their way
from noise, right n ends of MALA chains. The table has KL(histogram of the ends || exact), and beside it the
floor: the same of n independent draws from the grid.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import gibbsian as gb
from experiments.grid import Grid, sample_kl
from gibbsian.core.energy import Energy
from gibbsian.report.plots import named, panels
from gibbsian.report.tables import table

SQUARE = Grid(-4, 4, 201)
CORNERS = gb.GaussianMixture([1, 1, 1, 1], [[1.5, 1.5], [1.5, -1.5], [-1.5, 1.5], [-1.5, -1.5]], std=0.5)
BAND = gb.Gaussian(mean=[0.0, 1.2], cov=[[4.0, 0.0], [0.0, 0.6]])
OPERATORS: dict[str, Callable[[], Energy]] = {
    "product, p q": lambda: gb.Product([CORNERS, BAND]),
    "mixture, p / 2 + q / 2": lambda: gb.Mixture([CORNERS, BAND], log_z=[0.0, 0.0]),
    "negation, p / q^0.5": lambda: gb.Negation(CORNERS, BAND, alpha=0.5),
}


def ends(energy: Energy, n: int, steps: int = 2000) -> tuple[Tensor, Tensor]:
    """Where n chains from noise end, `(n, 2)`, and 12 of their ways, `(times, 12, 2)`."""
    start = gb.UniformNoise((2,), -4, 4)
    drawn = gb.sample(energy, n, kernel=gb.MALA(0.2), start=start, steps=steps, seed=0)
    watched = gb.sample(energy, 12, kernel=gb.MALA(0.02), start=start, steps=150, thin=1, seed=1)
    trace = watched.chains[0].trace
    assert isinstance(trace, Tensor)
    return drawn.x, trace


def exact_draws(energy: Energy, n: int) -> Tensor:
    """Independent draws from the grid, spread over its cells."""
    mass, rng = SQUARE.log_density(energy).exp().flatten(), gb.generator(2)
    cell = torch.multinomial(mass, n, replacement=True, generator=rng)
    width = (SQUARE.high - SQUARE.low) / (SQUARE.n - 1)
    return SQUARE.points()[cell] + width * (torch.rand(n, 2, generator=rng) - 0.5)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("-n", type=int, default=5000)
    asked = parser.parse_args()
    figure, found = panels(len(OPERATORS), 3, width=3.2, height=3.1)
    rows = []
    for k, (name, make) in enumerate(OPERATORS.items()):
        energy = make()
        x, trace = ends(energy, asked.n)
        own, floor = sample_kl(x, energy, SQUARE), sample_kl(exact_draws(energy, asked.n), energy, SQUARE)
        rows.append([name, f"{own:.3f}", f"{floor:.3f}"])
        draw(found[3 * k : 3 * k + 3], name, energy, x, trace)
    figure.savefig(asked.out, dpi=110)
    print(table(["", "KL of chains", "KL of exact draws"], rows))


def draw(row: list, name: str, energy: Energy, x: Tensor, trace: Tensor) -> None:
    """One operator: the exact density, the ways of chains, and where they end."""
    ends_of_axes = (SQUARE.low, SQUARE.high, SQUARE.low, SQUARE.high)
    density = SQUARE.log_density(energy).exp().T
    for panel, title in zip(row, (name, "chains from noise", f"{len(x):,} ends"), strict=True):
        named(panel, title, "", "")
        panel.set(xlim=ends_of_axes[:2], ylim=ends_of_axes[2:], aspect="equal")
    row[0].imshow(density.sqrt(), origin="lower", extent=ends_of_axes, cmap="magma")
    row[1].contour(density, extent=ends_of_axes, levels=5, colors="#adb5bd", linewidths=0.6)
    for chain in trace.transpose(0, 1):
        row[1].plot(chain[:, 0], chain[:, 1], lw=0.8)
        row[1].plot(*chain[-1], "k.", ms=4)
    row[2].hist2d(x[:, 0], x[:, 1], bins=80, range=[ends_of_axes[:2], ends_of_axes[2:]], cmap="magma")


if __name__ == "__main__":
    main()
