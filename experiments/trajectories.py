"""Energies of transitions beside regression and mixture-density networks: the tables of docs/trajectories.md.

python -m experiments.trajectories two_way [--seeds 3] [--steps 2000] [--out OUT.png]
python -m experiments.trajectories ring
python -m experiments.trajectories adroit [--actions] [--seeds 3] [--steps 800]
python -m experiments.trajectories decay [--seeds 3]        by which each method's weight decay was chosen

two_way and ring: KL(exact || histogram) of the place after one and after ten steps, in nats, of 20,000 paths
from 0, and held-out nats a step. adroit: rollouts of 50 steps from windows of the held-out demonstrations.
Intervals are of 95 % over seeds of training (Student's t).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from experiments.trajectory_baselines import Fitting, Mixture, Regression, fitted
from gibbsian.data.dataset import Dataset
from gibbsian.data.episodes import of_parts
from gibbsian.data.pointmass import MASSES, PointMass
from gibbsian.models.snl.model import SelfNormalisedEnergy
from gibbsian.report.plots import named, panels
from gibbsian.report.tables import cell, over, table
from gibbsian.tasks.rollout.measure import compare
from gibbsian.tasks.rollout.steps import Draw, sequential, steps_of

PATHS, HORIZON = 20_000, 10
GRIDS = {"two_way": (16.0, 80), "ring": (2.5, 20)}
"""Half the side of the box, and cells along a coordinate."""
FOLDS, DECAYS = 4, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
CHOSEN = {"regression": 0.3}
"""Weight decays of the hand's methods; 10 of all others."""
SNL, PROPOSAL, REGRESSION = "energy (snl)", "its Gaussian proposal", "regression"
Method = tuple[Draw, Callable[[Tensor, Tensor], Tensor] | None]
"""What draws steps, and -log p of rows at conditions where there is one."""


def methods(
    train: Dataset,
    seed: int,
    how: Fitting,
    parts: tuple[int, ...],
    chosen: Mapping[str, float] = MappingProxyType({}),
    weight: float = 0.0,
) -> dict[str, Callable[[], Method]]:
    """What is compared, each trained when called, with the weight decay `chosen` for it, or `weight`."""
    made = train.transitions
    assert made is not None
    size, width = made.size, made.width
    preset = "point_mass" if size <= 2 else "transitions"

    def decayed(label: str) -> Fitting:
        return replace(how, weight_decay=chosen.get(label, weight))

    def energy() -> Method:
        model = gb.fit("snl", train, preset=preset, steps=how.steps, seed=seed, progress=False,
                       train__batch_size=how.batch, net__hidden=how.hidden,
                       train__weight_decay=decayed(SNL).weight_decay)  # fmt: skip
        return steps_of(model, made), model.neg_log_prob

    def proposal() -> Method:
        model = gb.fit("snl", train, preset=preset, steps=400, seed=seed, progress=False, proposal__lead=400,
                       train__weight_decay=decayed(PROPOSAL).weight_decay)  # fmt: skip
        assert isinstance(model, SelfNormalisedEnergy)
        q = model.proposal
        return lambda c, rng: q.draw(len(c), rng, c), lambda x, c: -q.log_density(x, c)

    def regression() -> Method:
        with gb.seeded_init(seed):
            model = fitted(Regression(size, width, how.hidden), train, decayed(REGRESSION), seed)
        return model.draw, None

    def mixture(k: int) -> Method:
        with gb.seeded_init(seed):
            model = fitted(Mixture(size, width, how.hidden, k), train, decayed(mixed(k)), seed)
        assert isinstance(model, Mixture)
        return model.draw, lambda x, c: -model.log_prob(x, c)

    found: dict[str, Callable[[], Method]] = {SNL: energy, PROPOSAL: proposal, REGRESSION: regression}
    return found | {mixed(k): partial(mixture, k) for k in parts}


def mixed(k: int) -> str:
    """What a mixture of so many parts is called."""
    return f"mixture of {k} Gaussians"


def divergence(x: Tensor, mass: PointMass, steps: int, box: float, bins: int) -> float:
    """KL(exact || histogram of `x` `(n, dim)`) in nats, with 1 / (n + 1) of the uniform mixed in."""
    p = mass.cells(torch.zeros(mass.dim), steps, box, bins).flatten()
    index = ((x.double() + box) / (2 * box) * bins).floor().clamp(-1, bins)
    inside = ((index >= 0) & (index < bins)).all(1)
    flat = (index[:, 0] * bins + index[:, 1] if mass.dim == 2 else index[:, 0])[inside].long()
    q = torch.bincount(flat, minlength=len(p)).double() / len(x)
    q = q + 1 / (len(x) + 1) / len(p)
    return float((p * (p.clamp(min=1e-300) / q).log()).sum())


def point_mass(name: str, seeds: int, how: Fitting, out: Path | None, parts: tuple[int, ...]) -> str:
    """The table of a point mass."""
    mass, train, test = MASSES[name], gb.dataset(f"pointmass:{name}"), gb.dataset(f"pointmass:{name}", "test")
    made = test.transitions
    assert made is not None and test.cond is not None
    box, bins = GRIDS[name]
    found: dict[str, dict[str, list[float]]] = {}
    ends: dict[str, Tensor] = {}
    start = torch.zeros(PATHS, 1, mass.dim)
    for seed in range(seeds):
        exact = mass.paths(start[:, 0].double(), HORIZON, gb.generator(100 + seed))
        row = {"one": divergence(exact[:, 1], mass, 1, box, bins), "nats": _exact_nats(mass, test)}
        _keep(found, "exact draws", **row, ten=divergence(exact[:, -1], mass, HORIZON, box, bins))
        for label, make in methods(train, seed, how, parts).items():
            began = time.monotonic()
            draw, nats = make()
            paths = sequential(draw, made, start, HORIZON, gb.generator(seed))
            with torch.no_grad():
                value = float(nats(test.x, test.cond).mean()) if nats else float("nan")
            _keep(found, label, one=divergence(paths[:, 1], mass, 1, box, bins),
                  ten=divergence(paths[:, -1], mass, HORIZON, box, bins), nats=value)  # fmt: skip
            ends[label] = paths[:, -1]
            print(seed, label, {k: round(v[-1], 4) for k, v in found[label].items()},
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    if out:
        _picture(mass, ends, box, bins).savefig(out, dpi=110)
    head = ["", "KL after 1 step", "KL after 10 steps", "held-out nats a step"]
    return table(
        head, [[k, *(_cell(v[key]) for key in ("one", "ten", "nats"))] for k, v in found.items()], True
    )


def adroit(seeds: int, how: Fitting, actions: bool, parts: tuple[int, ...]) -> str:
    """The table of the demonstrations."""
    name = "adroit_door:actions" if actions else "adroit_door"
    train, test = gb.dataset(name), gb.dataset(name, "test")
    made = test.transitions
    assert made is not None and test.cond is not None and train.transitions is not None
    known = torch.cat(train.transitions.states)
    noisy = test.x + how.noise * torch.randn(test.x.shape, generator=gb.generator(0))
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        for label, make in methods(train, seed, how, parts, CHOSEN, 10.0).items():
            began = time.monotonic()
            draw, nats = make()
            with torch.no_grad():
                value = float(nats(noisy, test.cond).mean()) if nats else float("nan")
                free, held = (
                    compare(draw, made, known, 200, 50, gb.generator(seed), within=w) for w in (False, True)
                )
            row = {f"fd{t}": free["steps"]["frechet"][t - 1] for t in (1, 10, 25, 50)}
            row |= {f"floor{t}": free["steps"]["floor"][t - 1] for t in (1, 10, 25, 50)}
            row |= {"within": held["steps"]["frechet"][-1], "score": held["steps"]["score"][-1]}
            _keep(found, label, **row, **free["shares"], nats=value)
            print(seed, label, {k: round(v[-1], 4) for k, v in found[label].items()},
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    keys = ["fd1", "fd10", "fd25", "fd50", "within", "score", "outside", "outside_worst", "nats"]
    head = ["", *(f"Frechet, step {t}" for t in (1, 10, 25, 50)), "step 50, within", "energy score, within",
            "outside", "worst coordinate", "held-out nats a step"]  # fmt: skip
    rows = [[label, *(_cell(values[k]) for k in keys)] for label, values in found.items()]
    first = next(iter(found.values()))
    floor = ["the data", *(f"{first[f'floor{t}'][0]:.3g}" for t in (1, 10, 25, 50)), "-", "-",
             f"{first['outside_true'][0]:.3g}", f"{first['outside_true_worst'][0]:.3g}", "-"]  # fmt: skip
    return table(head, [*rows, floor], True)


def _exact_nats(mass: PointMass, test: Dataset) -> float:
    """Held-out nats of the exact density, of standardised steps as the models see them."""
    made = test.transitions
    assert made is not None
    log_p = torch.cat([mass.log_prob(path[:-1], path[1:]) for path in made.states])
    return float(-log_p.mean() - made.step.scale.double().log().sum())


def _keep(found: dict[str, dict[str, list[float]]], label: str, **row: float) -> None:
    for key, value in row.items():
        found.setdefault(label, {}).setdefault(key, []).append(value)


def _cell(values: list[float]) -> str:
    if len(values) > 1 and values[0] == values[0]:
        return cell(over(values))
    return "-" if values[0] != values[0] else f"{values[0]:.3g}"


def _picture(mass: PointMass, ends: dict[str, Tensor], box: float, bins: int) -> Any:
    """Places after ten steps of every method, with the exact density."""
    figure, found = panels(1, len(ends) + (mass.dim == 2), width=2.9, height=2.8)
    p = mass.cells(torch.zeros(mass.dim), HORIZON, box, bins * (1 if mass.dim == 1 else 4))
    if mass.dim == 2:
        found[0].imshow(p.T, origin="lower", extent=(-box, box, -box, box), cmap="magma")
        named(found[0], "exact", "", "")
    for panel, (label, x) in zip(found[mass.dim == 2 :], ends.items(), strict=True):
        if mass.dim == 2:
            panel.hist2d(*x.T.numpy(), bins=4 * bins, range=[(-box, box), (-box, box)], cmap="magma")
        else:
            panel.hist(x[:, 0].numpy(), bins=bins, range=(-box, box), density=True, color="#adb5bd")
            width = 2 * box / bins
            panel.plot(
                torch.linspace(-box + width / 2, box - width / 2, bins), p / width, color="#2a6f97", lw=1
            )
            panel.set_ylim(0, 1.6 * float(p.max()) / width)
        named(panel, label, "", "")
    return figure


def decays(seeds: int, how: Fitting, parts: tuple[int, ...]) -> str:
    """Nats on training demonstrations set aside, four folds of four, by weight decay; of the regression its
    squared error."""
    made = gb.dataset("adroit_door").transitions
    assert made is not None
    found: dict[str, dict[str, list[float]]] = {}
    for weight, seed, fold in product(DECAYS, range(seeds), range(FOLDS)):
        learnt, aside = _folded(made.states, fold)
        train, held = (
            of_parts(learnt, part, "folds", "train", memory=made.memory) for part in (learnt, aside)
        )
        assert held.cond is not None
        noisy = held.x + how.noise * torch.randn(held.x.shape, generator=gb.generator(0))
        for label, make in methods(train, seed, how, parts, {}, weight).items():
            draw, nats = make()
            with torch.no_grad():
                square = (draw(held.cond, gb.generator(0)) - held.x).square().sum(1).mean()
                value = nats(noisy, held.cond).mean() if nats else square
            _keep(found, label, **{f"{weight:g}": float(value)})
            print(weight, seed, fold, label, round(float(value), 3), flush=True)
    keys = [f"{weight:g}" for weight in DECAYS]
    return table(["", *keys], [[k, *(_cell(v[key]) for key in keys)] for k, v in found.items()], True)


def _folded(paths: Sequence[Tensor], fold: int) -> tuple[list[Tensor], list[Tensor]]:
    """The paths to learn from and those of the fold."""
    return [p for i, p in enumerate(paths) if i % FOLDS != fold], list(paths[fold::FOLDS])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*GRIDS, "adroit", "decay"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--actions", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.what in ("adroit", "decay"):
        how = Fitting(asked.steps or 800, batch=128, decay=0.8, noise=0.1)
        found = decays(asked.seeds, how, (2, 5)) if asked.what == "decay" else None
        print(found or adroit(asked.seeds, how, asked.actions, (2, 5)))
    else:
        how = Fitting(asked.steps or 2000)
        print(point_mass(asked.what, asked.seeds, how, asked.out, (2, 8)))


if __name__ == "__main__":
    main()
