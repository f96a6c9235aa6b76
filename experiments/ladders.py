"""Figures and tables of docs/ladders.md that ask one question each.

python -m experiments.ladders recovery [--out F.json]   DRL on a Gaussian: conditionals beside the exact ones
python -m experiments.ladders conditional OUT.png       a conditional has one mode, the marginal many
python -m experiments.ladders sharpness                 a sharper first layer, for an energy of the plane
python -m experiments.ladders interaction OUT.png       groups of samples that push one another apart
python -m experiments.ladders stages OUT.png --run RUN  a coarse-to-fine model through its sizes
python -m experiments.ladders paths OUT.png --run RUN   images from every level of a ladder, sampled down

Models of the plane are trained where there are none yet, and kept in runs/. Longer than other files by its
six questions, which share little.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gibbsian as gb
from experiments.grid import Grid
from experiments.strips import stage_strip, step_strip
from gibbsian.core.random import derive
from gibbsian.core.spec import DataSpec
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.load import load
from gibbsian.data.toy import toy
from gibbsian.energies import Interacting
from gibbsian.mcmc.base import run
from gibbsian.metrics.toy import mode_recall
from gibbsian.models.drl.model import Descent, LadderEnergy
from gibbsian.models.model import EnergyModel
from gibbsian.models.samples import run_stages
from gibbsian.nets.frozen import frozen
from gibbsian.noise.ladder import Ladder
from gibbsian.report.pictures import beside, grid, save_image, to_uint8
from gibbsian.report.tables import cell, over, table
from gibbsian.train.fit import finished, prepare, stored_config
from gibbsian.train.recipes import resolve

RUNS = Path("runs")
MEAN, DEVIATIONS = (0.5, -0.3), (0.8, 0.25)
CHAINS, SETS, LONG, REPEATS = 10_000, 10, 3000, 10


def trained(name: str, paper: str, data: Dataset, **changes: Any) -> EnergyModel:
    """A model fitted to points of the plane from its toy preset, kept in RUNS."""
    config = resolve(paper, preset="toy", data=data.name, changes={"train.sample_every": 0, **changes})
    made = prepare(config, data, out=RUNS / name, resume="auto")
    made.trainer.fit()
    return finished(made.trainer)


# -- recovery ---------------------------------------------------------------------------------------


def gaussian(n: int = 100_000) -> Dataset:
    """Draws of N(MEAN, diag(DEVIATIONS^2))."""
    x = torch.tensor(MEAN) + torch.tensor(DEVIATIONS) * torch.randn(n, 2, generator=gb.generator(5))
    return from_arrays(x, name="toy:gaussian")


def marginal(model: LadderEnergy, t: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of x_t, a number a coordinate."""
    bar = model.ladder.sigma_bar[t]
    keep = 1 - bar**2
    return math.sqrt(keep) * torch.tensor(MEAN), keep * torch.tensor(DEVIATIONS) ** 2 + bar**2


def conditional_density(model: LadderEnergy, x_next: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Mean `(B, 2)` and variance `(2,)` of x_t given x_{t+1}; the last level's model is the marginal."""
    mean, variance = marginal(model, t)
    if t == model.ladder.levels - 1:
        return mean.expand_as(x_next), variance
    a, sigma = model.ladder.a[t + 1], model.ladder.sigma[t + 1]
    precision = 1 / variance + a**2 / sigma**2
    return (mean / variance + a * x_next / sigma**2) / precision, 1 / precision


def recovery() -> dict[str, Any]:
    """Errors of mean and variance of every trained conditional, after K and after many steps."""
    model = trained("recovery", "drl", gaussian())
    assert isinstance(model, LadderEnergy)
    told: dict[str, Any] = {}
    own = descent_of(model).config.steps
    for t in range(model.ladder.levels):
        slowest = float(conditional_density(model, torch.zeros(1, 2), t)[1].max())
        step = model.kernel(t).step_size
        row: dict[str, Any] = {"relaxation": 2 * slowest / step}
        for steps in (own, LONG):
            row |= {f"{k} {steps}": v for k, v in errors(model, t, steps).items()}
        told[str(t)] = row
        print(t, row, flush=True)
    return told


def errors(model: LadderEnergy, t: int, steps: int) -> dict[str, list[float]]:
    """Mean error over the deviation, and variance over the exact one less 1: estimates and half-widths.

    Chains start at x_{t+1} of the exact marginal, as in training, REPEATS at each, within which the variance
    is taken; worst coordinate of two.
    """
    rng = gb.generator(derive(0, f"{t} {steps}"))
    mean, variance = marginal(model, t + 1)
    n = CHAINS if steps < LONG else CHAINS // 10
    x_next = mean + variance.sqrt() * torch.randn(n // REPEATS, 2, generator=rng)
    x_next = x_next.repeat_interleave(REPEATS, 0)
    with frozen(model):
        end = run(
            model.kernel(t),
            model.conditional(x_next, t),
            model.start(x_next, t),
            steps=steps,
            rng=rng,
            evaluate=False,
        ).position
    assert isinstance(end, Tensor)
    exact, spread = conditional_density(model, x_next, t)
    z = ((end - exact) / spread.sqrt()).unflatten(0, (-1, REPEATS)).chunk(SETS)
    found = {
        "mean": [part.mean((0, 1)) for part in z],
        "variance": [part.var(1).mean(0) - 1 for part in z],
    }
    out = {}
    for key, parts in found.items():
        both = [over([float(p[k]) for p in parts]) for k in range(2)]
        worst = max(both, key=lambda v: abs(v.estimate))
        out[key] = [worst.estimate, worst.half_width]
    return out


def recovery_table(told: dict[str, Any]) -> str:
    """A Markdown table, a row a level."""
    keys = [k for k in next(iter(told.values())) if k != "relaxation"]
    body = [
        [t, f"{row['relaxation']:.0f}", *(f"{row[k][0]:+.3f} ± {row[k][1]:.2g}" for k in keys)]
        for t, row in told.items()
    ]
    return table(["level", "relaxation, steps", *keys], body, markdown=True)


# -- figures ----------------------------------------------------------------------------------------


def conditional(out: Path, draws: int = 200) -> None:
    """Exact marginals of the noised ring above exact conditionals given one draw of the next level, and the
    modes of the conditionals counted over `draws`. No model is trained: it is the conditional that is simple.
    """
    from matplotlib.figure import Figure

    levels = Ladder(6)
    plane, rng = Grid(-2, 2, 101), gb.generator(0)
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    panels = figure.subplots(2, 4)
    for (upper, lower), t in zip(panels.T, (0, 1, 2, 3), strict=True):
        marginal_energy = noised_ring(levels, t)
        x_t = ring_at(levels, t, draws, rng)
        a, sigma = levels.a[t + 1], levels.sigma[t + 1]
        x_next = a * x_t + sigma * torch.randn(x_t.shape, generator=rng, dtype=x_t.dtype)
        given = [_tethered(marginal_energy, x, a, sigma) for x in x_next]
        counts = [float(peaks(plane.log_density(energy).exp().numpy())) for energy in given]
        found = over(counts)
        show(upper, plane, marginal_energy, f"x_{t}: noise {levels.sigma_bar[t]:.2f}")
        show(lower, plane, given[0], f"given one x_{t + 1}: {found.estimate:.2f} modes on average")
        share = sum(c == 1 for c in counts) / draws
        print(
            f"level {t}: marginal {peaks(plane.log_density(marginal_energy).exp().numpy())} modes, "
            f"conditional {cell(found)} (n = {draws}), one mode in {share:.0%}",
            flush=True,
        )
    figure.savefig(out, dpi=75)


def noised_ring(levels: Ladder, t: int) -> Any:
    """-log density of eight Gaussians after the noise of level t, in closed form."""
    density = toy("ring")
    shrink = math.sqrt(1 - levels.sigma_bar[t] ** 2)
    centres = shrink * torch.as_tensor(density.modes, dtype=torch.float64)
    variance = (shrink * density.spread) ** 2 + levels.sigma_bar[t] ** 2

    def energy(x: Tensor) -> Tensor:
        gaps = torch.cdist(x.double(), centres).square() / (2 * variance)
        return -torch.logsumexp(-gaps, 1)

    return energy


def ring_at(levels: Ladder, t: int, n: int, rng: torch.Generator) -> Tensor:
    """`n` draws of x_t `(n, 2)`."""
    x = toy("ring").draw(n, rng).double()
    noise = torch.randn(x.shape, generator=rng, dtype=x.dtype)
    return math.sqrt(1 - levels.sigma_bar[t] ** 2) * x + levels.sigma_bar[t] * noise


def _tethered(energy: Any, x_next: Tensor, a: float, sigma: float) -> Any:
    return lambda x: energy(x) + (x.double() * a - x_next).square().sum(1) / (2 * sigma**2)


def show(panel: Any, plane: Grid, energy: Any, title: str) -> None:
    """A density as a picture."""
    density = plane.log_density(energy).exp().numpy()
    panel.imshow(density.T, origin="lower", extent=(-2, 2, -2, 2), cmap="magma")
    panel.set_title(title, fontsize=9, loc="left")
    panel.set_xticks([]), panel.set_yticks([])


def peaks(density: np.ndarray, share: float = 0.1) -> int:
    """Cells as high as their eight neighbours, up to rounding, and above `share` of the highest; cells that
    touch are one peak, since a mode may lie between two of them.
    """
    inner = density[1:-1, 1:-1]
    shifts = [
        density[1 + a : density.shape[0] - 1 + a, 1 + b : density.shape[1] - 1 + b]
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
        if (a, b) != (0, 0)
    ]
    high = np.all([inner >= s * (1 - 1e-9) for s in shifts], axis=0) & (inner > share * density.max())
    left, found = {(int(i), int(j)) for i, j in np.argwhere(high)}, 0
    while left:
        found, reached = found + 1, [left.pop()]
        while reached:
            i, j = reached.pop()
            near = {(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            reached += near
    return found


def sharpness() -> dict[str, Any]:
    """KL of the ring to exp(-E / T) on a grid, for an IGEBM whose first layer begins as usual and sharper."""
    density, told = toy("ring"), {}

    def truth(x: Any) -> Tensor:
        return -density.log_density(x.double()).float()

    for factor in (1.0, 12.0):
        model = trained(f"sharp-{factor:g}", "igebm", load("toy:ring"), **{"net.sharpness": factor})
        neg_log_prob: Any = model.neg_log_prob
        with frozen(model), torch.no_grad():
            found = Grid(-4, 4, 200).kl(truth, neg_log_prob)
        told[f"{factor:g}"] = found
        print(f"net.sharpness {factor:g}: KL {found:.3f}", flush=True)
    return told


def interaction(out: Path, groups: int = 500, members: int = 4) -> None:
    """How many of eight modes a group of four samples reaches, alone and with repulsion."""
    from matplotlib.figure import Figure

    model = trained("matching", "energy_matching", load("toy:ring"))
    density, told = toy("ring"), {}
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, strength in zip(panels, (0.0, 1.0, 4.0), strict=True):
        rng = gb.generator(0)
        neg_log_prob: Any = model.neg_log_prob
        with frozen(model):
            together = Interacting(neg_log_prob, strength, width=0.5)
            start = 0.3 * torch.randn(groups, members, 2, generator=rng)
            end = run(gb.Langevin(0.004), together, start, steps=1500, rng=rng, evaluate=False).position
        assert isinstance(end, Tensor)
        which = torch.cdist(end.double(), density.modes).argmin(-1)
        told[strength] = over([float(len(row.unique())) for row in which])
        near = mode_recall(end.reshape(-1, 2).double(), density.modes, 3 * density.spread).quality
        panel.scatter(*end[:40].reshape(-1, 2).T, s=4, c=np.repeat(np.arange(40), members), cmap="tab20")
        panel.set_title(
            f"strength {strength:g}: {told[strength].estimate:.2f} modes a group", fontsize=9, loc="left"
        )
        panel.set_aspect("equal")
        print(
            f"strength {strength}: {cell(told[strength])} modes of {members}, near a mode {near:.3f}",
            flush=True,
        )
    figure.savefig(out, dpi=120)


def stages(out: Path, folder: str) -> None:
    """Ends of all sizes, and every fifth step, of one model."""
    model = gb.load(folder)
    rows = stage_strip(model, 8, rng=gb.generator(0))
    steps = step_strip(model, 8, 5, rng=gb.generator(0))
    save_image(rows, out)
    save_image(steps, out.with_name(f"{out.stem}-steps{out.suffix}"))


def paths(out: Path, folder: str, n: int = 10) -> None:
    """Test images, and what a ladder makes of them from every level of noise."""
    model = gb.load(folder)
    assert isinstance(model, LadderEnergy)
    spec, rng = model.spec, gb.generator(0)
    x = load(stored_config(folder).data, "test").batch(torch.arange(n), spec.low, spec.high).x
    columns, titles = [picture(x, spec)], ["image"]
    with frozen(model):
        for level in range(1, model.ladder.levels + 1):
            noisy = model.noised(x, level, rng)
            end = run_stages(descent_of(model).down(noisy, level), rng)[-1].position
            assert isinstance(end, Tensor)
            columns += [picture(noisy, spec), picture(end, spec)]
            titles += [f"x_{level}", "sampled"]
    save_image(beside(columns, titles), out)


def descent_of(model: LadderEnergy) -> Descent:
    """The model's own way down its ladder."""
    found = model.sampler()
    assert isinstance(found, Descent)
    return found


def picture(x: Tensor, spec: DataSpec) -> Any:
    """One column of images."""
    return grid(to_uint8(x, spec.low, spec.high), 1, scale=2)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("recovery").add_argument("--out", type=Path)
    kinds.add_parser("sharpness")
    for name in ("conditional", "interaction"):
        kinds.add_parser(name).add_argument("out", type=Path)
    for name in ("stages", "paths"):
        kind = kinds.add_parser(name)
        kind.add_argument("out", type=Path)
        kind.add_argument("--run", required=True)
    args = parser.parse_args()
    if args.kind == "recovery":
        told = recovery()
        print(recovery_table(told))
        if args.out:
            args.out.write_text(json.dumps(told, indent=1) + "\n")
    elif args.kind == "sharpness":
        sharpness()
    elif args.kind == "conditional":
        conditional(args.out)
    elif args.kind == "interaction":
        interaction(args.out)
    else:
        {"stages": stages, "paths": paths}[args.kind](args.out, args.run)


if __name__ == "__main__":
    main()
