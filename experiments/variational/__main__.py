"""Figures and tables on variational fits and temperature sweeps, in under a minute each on one core.

python -m experiments.variational covering OUT.png [--out F.json]   q by reverse KL against q by likelihood
python -m experiments.variational anneal OUT.png [--out F.json]     chains as T falls, slowly and quickly

covering: a Gaussian and a flow fitted to densities of the plane both ways, and the divergences both ways on
the grid. anneal: shares of chains in the four wells of a tilted Himmelblau energy, beside the exact ones.
Slightly longer than other files by its two figures.
"""

from __future__ import annotations

import argparse
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from experiments.grid import Grid
from gibbsian.core.energy import Energy, value_and_grad
from gibbsian.core.position import Position
from gibbsian.data.toy import ToyDensity, toy
from gibbsian.energies.context import single
from gibbsian.metrics.interval import share_interval
from gibbsian.nets.settings import GeneratorConfig
from gibbsian.report.tables import cell, plain, table

from .affine import Affine
from .anneal import Basins, Sweep, exact_shares, geometric, sweep
from .approximate import Approximation, By, Density, approximate

SEED, STARTS = 0, 4
WEIGHED = 20_000
FLOW = GeneratorConfig("flow", hidden=(48, 48), blocks=6, activation="swish")
SETTINGS: dict[str, dict[str, Any]] = {
    "Gaussian": {"steps": 300, "lr": 0.05, "batch": 128},
    "flow": {"steps": 800, "lr": 8e-3, "batch": 128},
}
WAYS: dict[By, str] = {"reverse_kl": "reverse KL", "likelihood": "likelihood"}
SQUARE = 2.0


def fits(density: ToyDensity) -> dict[tuple[str, By], Approximation]:
    """Every family fitted every way to one density."""
    return {(name, by): best(density, name, by) for name in SETTINGS for by in WAYS}


def best(density: ToyDensity, name: str, by: By) -> Approximation:
    """One family fitted one way: the smallest loss, for a Gaussian, of four small ones put at random."""
    rng, energy = gb.generator(SEED), target(density)
    draws = density.draw if by == "likelihood" else None
    starts: list[Density | GeneratorConfig] = (
        [FLOW] if name == "flow" else [small(rng) for _ in range(STARTS)]
    )
    made = [approximate(energy, q, by=by, rng=rng, draws=draws, **SETTINGS[name]) for q in starts]
    return min(made, key=lambda fit: fit.loss.estimate)


def small(rng: torch.Generator) -> Affine:
    """A Gaussian of deviation .3 about a draw of N(0, I)."""
    q = Affine(2)
    q.mean.data.copy_(torch.randn(2, generator=rng))
    q.log_scale.data.fill_(math.log(0.3))
    return q


def target(density: ToyDensity) -> Energy:
    """-log p, of which log Z is 0."""
    return lambda x: -density.log_density(single(x))


def measured(fit: Approximation, grid: Grid) -> dict[str, Any]:
    """Divergences both ways on the grid, and log Z (truly 0) by importance sampling."""
    q: Energy = lambda x: -fit.log_density(single(x))  # noqa: E731
    return {
        "reverse": grid.kl(q, fit.target),
        "forward": grid.kl(fit.target, q),
        "log_z": plain(fit.log_z(WEIGHED, gb.generator(SEED + 1))),
    }


def covering(path: Path, names: list[str]) -> dict[str, Any]:
    """One row of panels a density: itself, then each family fitted each way."""
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    grid, layout = Grid(-4, 4, 200), ConstrainedLayoutEngine(h_pad=0.08)
    columns = 1 + len(SETTINGS) * len(WAYS)
    size = (2.5 * columns, 2.9 * len(names))
    figure, axes = plt.subplots(len(names), columns, figsize=size, layout=layout, squeeze=False)
    told: dict[str, Any] = {"seed": SEED, "weighed": WEIGHED, "data": {}}
    for row, name in zip(axes, names, strict=True):
        density, view = toy(name), Grid(-SQUARE, SQUARE, 240)
        top = float(view.log_density(target(density)).exp().max())
        show(row[0], view.log_density(target(density)).exp(), top, f"target: {name}")
        rows = told["data"][name] = {}
        for panel, ((family, by), fit) in zip(row[1:], fits(density).items(), strict=True):
            rows[f"{family}, {WAYS[by]}"] = found = measured(fit, grid)
            title = (
                f"{family} by {WAYS[by]}\nKL(q, p) {found['reverse']:.2f}   KL(p, q) {found['forward']:.2f}"
            )
            show(panel, fit_density(fit, view), top, title)
    figure.savefig(path, dpi=110)
    print(covering_table(told))
    return told


def fit_density(fit: Approximation, view: Grid) -> Tensor:
    """q at the points of the grid."""
    return fit.log_density(view.points()).exp().reshape(view.n, view.n)


def show(panel: Any, density: Tensor, top: float, title: str) -> None:
    """A density in shades, darkest from `top` on; the square root makes thin tails visible."""
    shades = (density / top).clamp(max=1).sqrt().T
    square = (-SQUARE, SQUARE, -SQUARE, SQUARE)
    panel.imshow(shades, origin="lower", extent=square, cmap="Purples", vmin=0, vmax=1)
    panel.set(xticks=[], yticks=[])
    panel.set_title(title, fontsize=9)


def covering_table(told: dict[str, Any]) -> str:
    """Markdown."""
    head = ["density", "q", "KL(q, p)", "KL(p, q)", f"log Z from {WEIGHED:,} draws (true 0)"]
    body = []
    for name, rows in told["data"].items():
        for q, found in rows.items():
            low, high = found["log_z"]["interval"]
            log_z = f"{found['log_z']['value']:.3f} ± {(high - low) / 2:.3f}"
            body.append([name, q, f"{found['reverse']:.3g}", f"{found['forward']:.3g}", log_z])
    return table(head, body, markdown=True)


TILT = (0.25, -0.1)
SCALE = 20.0
NEAR = ((3.0, 2.0), (-2.81, 3.13), (-3.78, -3.28), (3.58, -1.85))
LEGS = geometric(4.0, 1 / 16, 13)
SHOWN = (0, 4, 8, 12)
PACES = {"slow": 400, "fast": 4}
CHAINS, STEP_SIZE, WIDE = 1500, 0.4, 6.0
COLOURS = {"exact": "#222222", "slow": "#5b2a86", "fast": "#e9a23b"}


def himmelblau(x: Position) -> Tensor:
    """[(u^2 + v - 11)^2 + (u + v^2 - 7)^2] / 20 + tilt . (u, v): four wells, no two of one depth.

    D. Himmelblau, Applied Nonlinear Programming, 1972, tilted.
    """
    u, v = single(x).unbind(1)
    wells = (u.square() + v - 11).square() + (u + v.square() - 7).square()
    return wells / SCALE + TILT[0] * u + TILT[1] * v


def minima() -> Tensor:
    """The bottoms of the wells `(4, 2)`, deepest first, by gradient descent."""
    x = torch.tensor(NEAR, dtype=torch.float64)
    for _ in range(500):
        grad = value_and_grad(himmelblau, x)[1]
        assert isinstance(grad, Tensor)
        x = x - 0.1 * grad
    return x[himmelblau(x).argsort()]


def anneal(path: Path) -> dict[str, Any]:
    """Chains at falling temperatures, and their shares slow, fast and exact."""
    wells = minima()
    basins = Basins(wells, himmelblau, descents=100, step_size=0.05)
    exact = exact_shares(himmelblau, LEGS, basins, Grid(-8, 8, 401))
    found = {}
    for pace, steps in PACES.items():
        rng = gb.generator(SEED)
        start = (2 * torch.rand(CHAINS, 2, generator=rng) - 1) * WIDE
        kernel = partial(gb.MALA, STEP_SIZE)
        found[pace] = sweep(himmelblau, start, LEGS, steps=steps, rng=rng, kernel=kernel, basins=basins)
    draw_anneal(path, found, exact, wells)
    depths = himmelblau(wells).tolist()
    print(f"{CHAINS} chains, seed {SEED}, MALA with s = {STEP_SIZE}, {len(LEGS)} temperatures")
    print(f"steps at each: {PACES}; depths {', '.join(f'{d:.2f}' for d in depths)}")
    print(anneal_table(found, exact))
    return {
        "seed": SEED, "chains": CHAINS, "steps": PACES, "temperatures": LEGS, "depths": depths,
        "exact": exact.tolist(),
        **{pace: {"shares": s.shares.tolist(), "acceptance": s.acceptance.tolist()}
           for pace, s in found.items() if s.shares is not None and s.acceptance is not None},
    }  # fmt: skip


def anneal_table(found: dict[str, Sweep], exact: Tensor) -> str:
    """Markdown: shares of the wells at each temperature, deepest first."""
    body = []
    for k, temperature in enumerate(LEGS):
        told = [row(exact[k]), *(row(of.shares[k]) for of in found.values() if of.shares is not None)]
        body.append([f"{temperature:.3g}", *told, deepest(found["slow"], k)])
    head = ["T", "exact", *found, "slow: deepest well (95 %), acceptance"]
    return table(head, body, markdown=True)


def row(shares: Tensor) -> str:
    """Shares of the wells in one cell."""
    return " ".join(f"{float(p):.3f}" for p in shares)


def deepest(of: Sweep, leg: int) -> str:
    """Share of the deepest well with its interval, and the acceptance on the way."""
    assert of.shares is not None and of.acceptance is not None
    share = share_interval(round(float(of.shares[leg, 0]) * CHAINS), CHAINS)
    return f"{cell(share, '.3f')}, {float(of.acceptance[leg]):.2f}"


def draw_anneal(path: Path, found: dict[str, Sweep], exact: Tensor, wells: Tensor) -> None:
    """Above: the slow chains on the contours of the energy. Below: shares of the wells."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        2, len(SHOWN), figsize=(12, 5.2), layout="constrained", height_ratios=(2.2, 1)
    )
    view = Grid(-6, 6, 200)
    energies = view.energies(himmelblau).T - float(himmelblau(wells).min())
    square, levels = (-6, 6, -6, 6), [0.25 * 2**k for k in range(8)]
    for (above, below), leg in zip(axes.T, SHOWN, strict=True):
        above.contour(energies, levels, extent=square, colors="#b8b0c4", linewidths=0.6)
        above.scatter(*found["slow"].positions[leg].T, s=2, c=COLOURS["slow"], linewidths=0, alpha=0.5)
        for number, (u, v) in enumerate(wells.tolist(), 1):
            above.annotate(str(number), (u, v), (9, 7), textcoords="offset points", fontsize=9)
        above.set(xlim=square[:2], ylim=square[2:], aspect="equal", xticks=[], yticks=[])
        above.set_title(f"T = {LEGS[leg]:.3g}", fontsize=10)
        bars(
            below,
            {"exact": exact[leg], **{k: s.shares[leg] for k, s in found.items() if s.shares is not None}},
        )
    axes[1, 0].set_ylabel("share of chains")
    axes[1, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def bars(panel: Any, shares: dict[str, Tensor]) -> None:
    """Shares of the wells side by side."""
    names = {"exact": "exact", **{pace: f"{pace}: {steps} steps a T" for pace, steps in PACES.items()}}
    for k, (name, values) in enumerate(shares.items()):
        places = torch.arange(1, len(values) + 1) + 0.27 * (k - 1)
        panel.bar(places, values, 0.25, color=COLOURS[name], label=names[name])
    panel.set(ylim=(0, 1), xticks=range(1, 5), xlabel="well, deepest first")


def main() -> None:
    """Draw one figure, print its table, and write the numbers as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("covering", "anneal"))
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("--data", default="ring,moons", help="densities of covering")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    import matplotlib

    matplotlib.use("Agg")
    if given.part == "covering":
        told = covering(given.picture, given.data.split(","))
    else:
        told = anneal(given.picture)
    if given.out:
        given.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
