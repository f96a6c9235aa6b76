"""Demonstrations of a hand: rollouts of 50 steps from windows of those held out, and the weight decay of each
method, chosen on training demonstrations.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

import gibbsian as gb
from gibbsian.data.episodes import of_parts
from gibbsian.report.tables import table
from gibbsian.tasks.rollout.measure import compare

from .baselines import Fitting
from .methods import PROPOSAL, REGRESSION, SNL, cells_of, keep, methods, mixed

FOLDS, DECAYS = 4, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
CHOSEN = {SNL: 3.0, PROPOSAL: 3.0, REGRESSION: 0.1, mixed(2): 10.0, mixed(5): 0.3}
"""Weight decays of the hand's methods: those of least nats, or squared error, by `decay`."""


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
        for label, make in methods(train, seed, how, parts, CHOSEN).items():
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
            keep(found, label, **row, **free["shares"], nats=value)
            print(seed, label, {k: round(v[-1], 4) for k, v in found[label].items()},
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    keys = ["fd1", "fd10", "fd25", "fd50", "within", "score", "outside", "outside_worst", "nats"]
    head = ["", *(f"Frechet, step {t}" for t in (1, 10, 25, 50)), "step 50, within", "energy score, within",
            "outside", "worst coordinate", "held-out nats a step"]  # fmt: skip
    rows = [[label, *(cells_of(values[k]) for k in keys)] for label, values in found.items()]
    first = next(iter(found.values()))
    floor = ["the data", *(f"{first[f'floor{t}'][0]:.3g}" for t in (1, 10, 25, 50)), "-", "-",
             f"{first['outside_true'][0]:.3g}", f"{first['outside_true_worst'][0]:.3g}", "-"]  # fmt: skip
    return table(head, [*rows, floor], True)


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
            keep(found, label, **{f"{weight:g}": float(value)})
            print(weight, seed, fold, label, round(float(value), 3), flush=True)
    keys = [f"{weight:g}" for weight in DECAYS]
    return table(["", *keys], [[k, *(cells_of(v[key]) for key in keys)] for k, v in found.items()], True)


def _folded(paths: Sequence[Tensor], fold: int) -> tuple[list[Tensor], list[Tensor]]:
    """The paths to learn from and those of the fold."""
    return [p for i, p in enumerate(paths) if i % FOLDS != fold], list(paths[fold::FOLDS])
