"""What every contrastive objective keeps to. A new one joins by one line in `OBJECTIVES`."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.objectives.contrast import contrast, energy_l2
from gibbsian.objectives.nce import conditional_nce, nce, ranking

OBJECTIVES = {
    "cd": contrast,
    "logsumexp": partial(contrast, form="logsumexp"),
    "softplus": partial(contrast, form="softplus"),
    "energy_l2": partial(energy_l2, weight=0.3),
    "nce": lambda e_pos, e_neg: nce(e_pos, e_neg, FLAT, FLAT[: len(e_neg)], 0.3),
    "ranking": lambda e_pos, e_neg: ranking(e_pos, e_neg, FLAT, FLAT[: len(e_neg)]),
    "conditional_nce": conditional_nce,
}
FLAT = torch.zeros(6, dtype=torch.float64)
SHIFT_FREE = ("cd", "logsumexp", "softplus", "ranking", "conditional_nce")


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    return OBJECTIVES[request.param]


def energies(seed=0, n=6):
    return torch.randn(n, dtype=torch.float64, generator=generator(seed), requires_grad=True)


def test_scalar_with_a_graph_and_detached_metrics(objective):
    loss = objective(energies(0), energies(1))
    assert loss.value.shape == () and loss.value.requires_grad and loss.metrics
    assert all(v.shape == () and not v.requires_grad for v in loss.metrics.values())


def test_gradient_is_the_finite_difference_but_for_constant_weights(objective):
    e_pos, e_neg = energies(0), energies(1)
    objective(e_pos, e_neg).value.backward()
    h = torch.zeros(6, dtype=torch.float64)
    h[2] = 1e-6
    up, down = objective(e_pos + h, e_neg).value, objective(e_pos - h, e_neg).value
    assert e_pos.grad[2].item() == pytest.approx(((up - down) / 2e-6).item(), rel=1e-6)


def test_order_of_the_samples_does_not_matter(objective):
    e_pos, e_neg, order = energies(0), energies(1), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(objective(e_pos, e_neg).value, objective(e_pos[order], e_neg[order]).value)


@pytest.mark.parametrize("name", SHIFT_FREE)
def test_the_free_constant_of_the_energy_falls_out(name):
    e_pos, e_neg = energies(0), energies(1)
    objective = OBJECTIVES[name]
    torch.testing.assert_close(objective(e_pos + 9, e_neg + 9).value, objective(e_pos, e_neg).value)


@pytest.mark.parametrize("name", SHIFT_FREE)
def test_data_are_pushed_down_and_negatives_up(name):
    e_pos, e_neg = energies(0), energies(1)
    OBJECTIVES[name](e_pos, e_neg).value.backward()
    assert (e_pos.grad > 0).all() and (e_neg.grad < 0).all()
    torch.testing.assert_close(e_pos.grad.sum(), -e_neg.grad.sum())


def test_non_finite_energies_are_not_hidden(objective):
    e_pos = energies(0).detach()
    e_pos[0] = torch.nan
    assert not torch.isfinite(objective(e_pos, energies(1)).value)


def test_wrong_shapes_are_one_line(objective):
    with pytest.raises(UsageError, match="one energy a sample") as caught:
        objective(energies(0)[:, None], energies(1))
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="e_neg"):
        objective(energies(0), energies(1)[:0])


def test_unknown_form_and_temperature():
    with pytest.raises(UsageError, match="did you mean 'softplus'"):
        contrast(energies(0), energies(1), "softpuls")
    with pytest.raises(UsageError, match="temperature"):
        contrast(energies(0), energies(1), temperature=0.0)
