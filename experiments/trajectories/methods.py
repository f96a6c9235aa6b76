"""What is compared on transitions, by name, and how numbers of several seeds are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from torch import Tensor

import gibbsian as gb
from gibbsian.data.dataset import Dataset
from gibbsian.models.snl.model import SelfNormalisedEnergy
from gibbsian.report.tables import cell, over
from gibbsian.tasks.rollout.steps import Draw, steps_of

from .baselines import Fitting, Mixture, Regression, fitted

SNL, PROPOSAL, REGRESSION = "energy (snl)", "its Gaussian proposal", "regression"
Method = tuple[Draw, Callable[[Tensor, Tensor], Tensor] | None]
"""What draws steps, and -log p of rows at conditions where there is one."""


def mixed(k: int) -> str:
    """What a mixture of so many parts is called."""
    return f"mixture of {k} Gaussians"


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
                       proposal__updates=400,
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


def keep(found: dict[str, dict[str, list[float]]], label: str, **row: float) -> None:
    """Add the numbers of one seed to those of a method."""
    for key, value in row.items():
        found.setdefault(label, {}).setdefault(key, []).append(value)


def cells_of(values: list[float]) -> str:
    """Mean and interval over seeds, or the one value, or - where there is none."""
    if len(values) > 1 and values[0] == values[0]:
        return cell(over(values))
    return "-" if values[0] != values[0] else f"{values[0]:.3g}"
