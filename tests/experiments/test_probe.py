"""Linear probes against scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from experiments.fewshot.probe import principal, softmax_regression, standardised
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator


def rows(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "strength"), [(120, 1.0), (120, 0.05), (9, 1.0), (60, 20.0)])
def test_softmax_regression_equals_scikit_learn(n: int, strength: float) -> None:
    x = rows(n, 5, 0)
    y = (x[:, :3] + rows(n, 3, 1)).argmax(1)
    weights, offsets = softmax_regression(x, y, strength=strength)
    known = LogisticRegression(C=strength, tol=1e-10, max_iter=5000).fit(x.numpy(), y.numpy())
    torch.testing.assert_close(weights, torch.from_numpy(known.coef_), rtol=1e-4, atol=1e-5)
    known_offsets = torch.from_numpy(known.intercept_)
    torch.testing.assert_close(
        offsets - offsets.mean(), known_offsets - known_offsets.mean(), rtol=1e-4, atol=1e-5
    )


def test_softmax_regression_leaves_no_slope() -> None:
    """At the minimum X'(p - y) + W / C = 0, also with more columns than rows."""
    x, y = rows(20, 50, 2), torch.arange(20) % 4
    weights, offsets = softmax_regression(x, y, strength=0.5)
    miss = (x @ weights.T + offsets).softmax(1) - torch.nn.functional.one_hot(y).double()
    assert (miss.T @ x + weights / 0.5).abs().max() < 1e-5
    assert miss.sum(0).abs().max() < 1e-5


def test_softmax_regression_refuses() -> None:
    with pytest.raises(UsageError, match=r"shape \(3,\) for 4 rows"):
        softmax_regression(torch.zeros(4, 2), torch.zeros(3, dtype=torch.long))
    with pytest.raises(UsageError, match="strength is 0"):
        softmax_regression(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long), strength=0.0)


def test_principal_axes_equal_scikit_learn() -> None:
    train, test = rows(60, 6, 0) @ rows(6, 6, 1), rows(10, 6, 2)
    found = principal(train, test, 3)
    known = PCA(3).fit(train.numpy())
    for ours, theirs in zip(found, map(known.transform, (train.numpy(), test.numpy())), strict=True):
        torch.testing.assert_close(ours.abs(), torch.from_numpy(theirs).abs())
    with pytest.raises(UsageError, match="7 principal axes"):
        principal(train, test, 7)


def test_standard_scores() -> None:
    train, test = rows(50, 3, 0) * 4 + 2, rows(5, 3, 1)
    train[:, 1] = 7.0
    first, second = standardised(train, test)
    torch.testing.assert_close(first.mean(0), torch.zeros(3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(first.std(0), torch.tensor([1.0, 0.0, 1.0]).double())
    assert (second[:, 1] == 0).all()
    torch.testing.assert_close(second[:, 0], (test[:, 0] - train[:, 0].mean()) / train[:, 0].std())


def test_scores_together_keep_relative_sizes() -> None:
    train, test = rows(50, 3, 0) * torch.tensor([4.0, 1.0, 0.0]), rows(5, 3, 1)
    first, second = standardised(train, test, together=True)
    assert first.var(0).mean().item() == pytest.approx(1.0)
    torch.testing.assert_close(first.std(0) / first.std(0)[0], train.std(0) / train.std(0)[0])
    torch.testing.assert_close(
        (second[:, 0] - second[0, 0]) / first.std(0)[0], (test[:, 0] - test[0, 0]) / train.std(0)[0]
    )
