"""Figures that need no training: `python -m experiments.figures limits` writes docs/images/limits.png.

limits: the distribution of a K-step Langevin chain, started uniform, against the model p ~ exp(-E). As K
grows and the step s shrinks it tends to p; without noise every chain falls into a minimum. Prints the table
too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import gibbsian as gb
from gibbsian.energies.analytic import GaussianMixture
from gibbsian.report.tables import table

CHAINS, SEED = 20_000, 0
STEP_SIZES = (0.5, 0.1, 0.02)
LENGTHS = (1, 3, 10, 30, 100, 300, 1000, 3000)
EDGES = torch.linspace(-4, 4, 81, dtype=torch.float64)


def target() -> GaussianMixture:
    """Two Gaussians of unequal weight and width in one dimension."""
    return GaussianMixture([0.7, 0.3], [[-1.2], [1.4]], std=[0.5, 0.35], dtype=torch.float64)


def exact_cells(energy: GaussianMixture) -> Tensor:
    """Probability of each cell of the histogram, by the midpoint rule with 50 points a cell."""
    fine = torch.linspace(-4, 4, 80 * 50 + 1, dtype=torch.float64)
    middle = (fine[1:] + fine[:-1]) / 2
    mass = energy.log_density(middle[:, None]).exp() * (fine[1] - fine[0])
    return mass.reshape(80, 50).sum(1)


def cells(x: Tensor) -> Tensor:
    """Share of chains in each cell."""
    return torch.histogram(x.flatten().clamp(-3.999, 3.999), EDGES).hist / len(x)


def total_variation(x: Tensor, exact: Tensor) -> float:
    """Half the summed difference of cell shares, in [0, 1]."""
    return float((cells(x) - exact).abs().sum() / 2)


def positions(step_size: float, temperature: float) -> dict[int, Tensor]:
    """Positions of all chains after each of `LENGTHS` steps."""
    rng = gb.generator(SEED)
    x = torch.rand(CHAINS, 1, generator=rng, dtype=torch.float64) * 8 - 4
    kernel, energy, done, out = gb.Langevin(step_size, temperature), target(), 0, {}
    for length in LENGTHS:
        chain = gb.run(kernel, energy, x, steps=length - done, rng=rng, evaluate=False)
        assert isinstance(chain.position, Tensor)
        x, done = chain.position, length
        out[length] = x
    return out


def limits(out: Path) -> None:
    """Total variation against K for each step size, and the three distributions at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    exact = exact_cells(target())
    draws = target().draw(CHAINS, gb.generator(SEED + 1))
    floor = total_variation(draws, exact)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    rows = []
    for s, colour in zip(STEP_SIZES, ("#e9a23b", "#e23d28", "#5b2a86"), strict=True):
        found = {k: total_variation(x, exact) for k, x in positions(s, 1.0).items()}
        rows.append([f"s = {s}", *(f"{v:.3g}" for v in found.values())])
        left.plot(list(found), list(found.values()), "o-", ms=3, color=colour, label=f"s = {s}")
    left.axhline(floor, color="#222222", lw=1, ls=":", label="exact draws")
    left.set(xscale="log", yscale="log", xlabel="steps K", ylabel="total variation to exp(-E)/Z")
    left.legend(frameon=False)
    cold = positions(STEP_SIZES[1], 0.0)[LENGTHS[-1]]
    ends = torch.unique(cold.round(decimals=3)).numel()
    rows.append(["exact draws", *[f"{floor:.3g}"] * len(LENGTHS)])
    print(table(["", *(f"K = {k:,}" for k in LENGTHS)], rows, markdown=True))
    print(f"{CHAINS} chains, seed {SEED}; no noise: {ends} distinct end points (to .001)")
    right.plot(middle, exact / 0.1, color="#222222", label="model")
    right.stairs(cells(positions(0.02, 1.0)[3000]) / 0.1, EDGES, color="#5b2a86", label="s = 0.02, K = 3000")
    right.stairs(
        (cells(cold) / 0.1).clamp(max=1.0),
        EDGES,
        color="#7d8ca3",
        fill=True,
        alpha=0.6,
        label="no noise (cut at 1)",
    )
    right.set(xlabel="x", ylabel="density")
    right.legend(frameon=False)
    figure.savefig(out / "limits.png", dpi=120)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figure", choices=["limits"])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    {"limits": limits}[args.figure](args.out)


if __name__ == "__main__":
    main()
