"""AUPR and FPR95 against scikit-learn and by hand, means of AUROCs against pairs written out."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.metrics.auroc import auroc
from gibbsian.metrics.detection import aupr, auroc_gain, fpr_at, mean_auroc


def draw(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return shift + torch.randn(n, generator=generator(seed), dtype=torch.float64)


def two(digits: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    inside, outside = draw(150, 0), draw(90, 1, 0.7)
    return (
        (inside, outside)
        if digits is None
        else (inside.round(decimals=digits), outside.round(decimals=digits))
    )


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_equal_scikit_learn_with_and_without_ties(digits) -> None:
    """The inside is accepted at low scores: scikit-learn's positives are it, by minus the score."""
    inside, outside = two(digits)
    truth, scores = torch.cat([torch.ones(150), torch.zeros(90)]), -torch.cat([inside, outside])
    rng = generator(0)
    wanted = average_precision_score(truth, scores)
    assert aupr(inside, outside, rng=rng).estimate == pytest.approx(wanted, abs=1e-13)
    turned = average_precision_score(1 - truth, -scores)
    assert aupr(inside, outside, rng=rng, positive="outside").estimate == pytest.approx(turned, abs=1e-13)
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    for recall in (0.95, 0.9, 1.0):
        first = fpr[tpr >= recall - 1e-12].min()
        assert fpr_at(inside, outside, rng=rng, recall=recall).estimate == pytest.approx(first, abs=1e-12)


def test_by_hand() -> None:
    inside, outside = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2.0, 3.0])
    # precision at the scores 1, 2, 4 of the inside: 1/1, 2/3 (a tie with one outside), 3/5
    assert aupr(inside, outside, rng=generator(0)).estimate == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    # two thirds of the inside lie at 2 or below, and with them one of the two outside
    assert fpr_at(inside, outside, rng=generator(0), recall=2 / 3).estimate == 0.5


def test_a_score_that_says_nothing() -> None:
    inside, outside = torch.zeros(30), torch.zeros(10)
    assert aupr(inside, outside, rng=generator(0)).estimate == pytest.approx(0.75)
    assert aupr(inside, outside, rng=generator(0), positive="outside").estimate == pytest.approx(0.25)
    assert fpr_at(inside, outside, rng=generator(0)).estimate == 1.0


def test_95_percent_of_1000_rows_are_950() -> None:
    inside = torch.arange(1000.0)
    found = fpr_at(inside, torch.tensor([949.0, 949.5, 2000.0, 3000.0]), rng=generator(0))
    assert found.estimate == 0.25


def test_sets_that_lie_apart_have_wilson_s_interval() -> None:
    apart = fpr_at(torch.arange(50.0), torch.arange(100.0, 140.0), rng=generator(0))
    assert apart.estimate == apart.low == 0.0 and 0.05 < apart.high < 0.12
    found = aupr(torch.arange(50.0), torch.arange(100.0, 140.0), rng=generator(0))
    assert found.estimate == found.high == 1.0 and 0.88 < found.low < 0.95


def test_intervals_hold_as_often_as_they_say() -> None:
    """True FPR95 of N(0, 1) against N(2, 1): Phi(1.645 - 2) = .361; of 60 intervals 57 +- 1.7 hold it."""
    truth, held = float(torch.special.ndtr(torch.tensor(1.6448536 - 2))), 0
    for seed in range(60):
        found = fpr_at(draw(300, 2 * seed), draw(300, 2 * seed + 1, 2.0), rng=generator(seed))
        held += found.low <= truth <= found.high
    assert 47 <= held


def test_mean_over_sets_is_that_of_the_areas() -> None:
    inside, outside = draw(60, 0), [draw(40, 1, 0.5), draw(80, 2, 1.5)]
    areas = [auroc(inside, x).estimate for x in outside]
    assert mean_auroc((inside, outside)).estimate == pytest.approx(sum(areas) / 2)
    assert mean_auroc((inside, outside[:1])).half_width == pytest.approx(auroc(inside, outside[0]).half_width)


@pytest.mark.parametrize("sets", [1, 2, 3])
def test_interval_of_a_mean_over_sets(sets) -> None:
    """The sets' own errors are independent: 1 / k^2 of the sum of their variances, written out over pairs."""
    inside, outside = draw(50, 3), [draw(40 + 10 * k, 4 + k, 1.0) for k in range(sets)]
    psi = [(o[:, None] > inside).double() for o in outside]
    of_sets = sum(p.mean(1).var() / len(p) for p in psi) / sets**2
    of_inside = torch.stack([p.mean(0) for p in psi]).mean(0).var() / 50
    wanted = 1.959964 * float((of_sets + of_inside).sqrt())
    assert mean_auroc((inside, outside)).half_width == pytest.approx(wanted, rel=1e-6)


def test_interval_of_a_gain_is_delong_s_paired_one() -> None:
    """With one set: var(a_i - b_i) / n + var(a_j - b_j) / m over the standings, written out over pairs."""
    one, other = (draw(50, 3), draw(40, 4, 1.0)), (draw(50, 3) + draw(50, 5), draw(40, 4, 1.0) + draw(40, 6))
    psi = [(o[:, None] > i).double() for i, o in (one, other)]
    difference = psi[0] - psi[1]
    spread = (difference.mean(1).var() / 40 + difference.mean(0).var() / 50).sqrt().item()
    found = auroc_gain((one[0], [one[1]]), (other[0], [other[1]]))
    assert found.estimate == pytest.approx(difference.mean().item())
    assert found.half_width == pytest.approx(1.959964 * spread, rel=1e-6)
    truth = torch.cat([torch.zeros(50), torch.ones(40)])
    areas = [roc_auc_score(truth, torch.cat(pair)) for pair in (one, other)]
    assert found.estimate == pytest.approx(areas[0] - areas[1])


def test_what_they_refuse() -> None:
    with pytest.raises(UsageError, match="recall is 0"):
        fpr_at(torch.zeros(5), torch.zeros(5), rng=generator(0), recall=0)
    with pytest.raises(UsageError, match="scores outside has 1 rows of 2 that are not finite"):
        aupr(torch.zeros(5), torch.tensor([1.0, float("inf")]), rng=generator(0))
    with pytest.raises(UsageError, match="no set outside"):
        mean_auroc((torch.zeros(5), []))
    with pytest.raises(UsageError, match="two of the same rows"):
        auroc_gain((torch.zeros(5), [torch.zeros(3)]), (torch.zeros(4), [torch.zeros(3)]))


def test_a_mean_of_sets_that_lie_apart_has_wilson_s_interval() -> None:
    found = mean_auroc((torch.zeros(50), [torch.ones(30), torch.ones(40)]))
    assert found.estimate == found.high == 1.0 and 0.9 < found.low < 0.95
