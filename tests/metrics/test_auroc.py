"""AUROC: against scikit-learn, against counting by hand, and its interval against its own promise."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.metrics.auroc import auroc, standings


def draw(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return shift + torch.randn(n, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_equals_scikit_learn_with_and_without_ties(digits) -> None:
    inside, outside = draw(150, 0), draw(90, 1, 0.7)
    if digits is not None:
        inside, outside = inside.round(decimals=digits), outside.round(decimals=digits)
    truth = torch.cat([torch.zeros(150), torch.ones(90)])
    wanted = roc_auc_score(truth, torch.cat([inside, outside]))
    assert auroc(inside, outside).estimate == pytest.approx(wanted, abs=1e-12)


def test_counts_by_hand() -> None:
    inside, outside = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0])
    found = auroc(inside, outside)  # 2 > 1, 2 = 2, 4 > 1, 4 > 2, 4 > 3 of 6 pairs
    assert found.estimate == pytest.approx(4.5 / 6)
    assert auroc(outside, inside).estimate == pytest.approx(1.5 / 6)


def test_interval_is_delong_s() -> None:
    """The variance written out over pairs: var_i(mean_j psi) / n + var_j(mean_i psi) / m."""
    inside, outside = draw(40, 2), draw(30, 3, 1.0)
    psi = (outside[:, None] > inside).double() + 0.5 * (outside[:, None] == inside)
    spread = (psi.mean(1).var() / 30 + psi.mean(0).var() / 40).sqrt().item()
    found = auroc(inside, outside)
    assert found.half_width == pytest.approx(1.959964 * spread, rel=1e-6)
    assert auroc(inside, outside, 0.5).half_width == pytest.approx(0.6744898 * spread, rel=1e-6)


def test_interval_holds_as_often_as_it_says() -> None:
    """True area Phi(1 / sqrt 2); of 400 intervals 380 +- 4.4 should hold it, and 350 is 6.9 sd away."""
    truth = float(torch.special.ndtr(torch.tensor(0.5**0.5, dtype=torch.float64)))
    held = 0
    for seed in range(400):
        found = auroc(draw(80, 2 * seed), draw(80, 2 * seed + 1, 1.0))
        held += found.low <= truth <= found.high
    assert 350 <= held < 400


def test_apart_and_alike() -> None:
    apart = auroc(torch.arange(50.0), torch.arange(60.0, 100.0))
    assert apart.estimate == 1.0 == apart.high and 0.9 < apart.low < 0.95
    turned = auroc(torch.arange(60.0, 100.0), torch.arange(50.0))
    assert turned.estimate == 0.0 == turned.low and turned.high == pytest.approx(1 - apart.low)
    alike = auroc(torch.ones(5), torch.ones(7))
    assert (alike.estimate, alike.low, alike.high) == (0.5, 0.5, 0.5)


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="at least 2 rows"):
        auroc(torch.zeros(1), torch.zeros(5))
    with pytest.raises(UsageError, match="scores outside has 1 rows of 2 that are not finite"):
        auroc(torch.zeros(5), torch.tensor([1.0, float("nan")]))
    with pytest.raises(UsageError, match="level is 1"):
        auroc(torch.zeros(5), torch.zeros(5), 1.0)


def test_each_row_has_the_share_of_the_others_beyond_it():
    inside, outside = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 2.0, 3.0, -1.0])
    below, above = standings(inside, outside)
    assert below.tolist() == [0.75, 0.375]  # of those outside above; a tie counts by half
    assert above.tolist() == [0.5, 0.75, 1.0, 0.0]
    assert float(below.mean()) == float(above.mean()) == auroc(inside, outside).estimate
