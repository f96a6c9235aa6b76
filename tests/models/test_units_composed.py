"""Models of tables put together, and where their chains start: in the units of the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.models.units import InUnits

SCALE, SHIFT = [12.0, 20_000.0, 0.1], [45.0, 60_000.0, 1.7]
X = np.random.default_rng(0).normal(size=(300, 3)) * SCALE + SHIFT
QUICK = {"progress": False, "train__batch_size": 32, "steps": 3}


@pytest.fixture(scope="module")
def model():
    return gb.fit("igebm", X, **QUICK)


@pytest.fixture(scope="module")
def other():
    return gb.fit("igebm", X, seed=1, **QUICK)


@pytest.mark.parametrize(
    ("compose", "exact"),
    [
        (lambda a, b: gb.product(a, b), lambda a, b: a + b),
        (lambda a, b: a + b, lambda a, b: a + b),
        (lambda a, b: gb.product(a, b, weights=[1, 0.5]), lambda a, b: a + b / 2),
        (lambda a, b: gb.mixture(a, b), lambda a, b: -torch.logsumexp(torch.stack([-a, -b]), 0)),
        (lambda a, b: gb.negation(a, b, ceiling=5.0), None),
    ],
)
def test_models_of_one_table_put_together_stay_in_its_units(model, other, compose, exact):
    made, rows = compose(model, other), torch.tensor(X[:20], dtype=torch.float32)
    drawn = made.sample(40, steps=2, seed=0).x
    assert (
        isinstance(made, InUnits)
        and ((drawn.mean(0) - torch.tensor(SHIFT)) / torch.tensor(SCALE)).abs().max() < 9
    )
    assert drawn[:, 1].std() > 1000, "salaries come in units"
    if exact:
        apart = made.neg_log_prob(rows) - exact(model.neg_log_prob(rows), other.neg_log_prob(rows))
        assert apart.std() < 1e-3, "-log p up to a constant"


def test_models_of_unlike_units_are_not_put_together(model):
    wider = gb.fit("igebm", X * 2, **QUICK)
    plain = gb.fit("igebm", X / SCALE, standardise=False, **QUICK)
    for pair in ((model, wider), (model, plain), (plain, model)):
        for compose in (gb.product, gb.mixture, gb.negation, lambda a, b: a + b):
            with pytest.raises(UsageError, match="other units"):
                compose(*pair)


def test_a_class_of_a_model_in_units_is_in_units():
    joint = gb.fit("jem", (X, np.arange(300) % 2), **QUICK)
    rows = torch.tensor(X[:5], dtype=torch.float32)
    one, y = gb.conditional(joint, 1), torch.ones(5, dtype=torch.long)
    assert torch.allclose(one.neg_log_prob(rows), joint.neg_log_prob(rows, y))
    assert gb.conjunction(joint, [0, 1]).sample(20, steps=1).x[:, 1].std() > 1000


@pytest.mark.parametrize(
    ("changes", "noise"),
    [
        ({}, "gaussian"),
        ({"standardise": False}, "uniform"),
        ({"start__noise": "uniform"}, "uniform"),
        ({"start__scale": 2.0}, "uniform"),
    ],
)
def test_chains_start_where_standardised_columns_lie(changes, noise):
    made = gb.fit("score_matching", X / SCALE, **{**QUICK, **changes})
    assert made.inner.record.config.start.noise == noise


@pytest.mark.parametrize("paper", ["igebm", "score_matching", "nce"])
def test_fit_takes_a_seed(paper):
    a, b, c = (gb.fit(paper, X, seed=seed, **QUICK) for seed in (5, 5, 6))
    rows = torch.tensor(X[:5], dtype=torch.float32)
    assert torch.equal(a.energy(rows), b.energy(rows)) and not torch.equal(a.energy(rows), c.energy(rows))
