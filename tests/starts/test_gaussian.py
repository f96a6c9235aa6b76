"""Chains from Gaussians fitted to the data."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.starts.gaussian import ClassGaussian


def data(n=400):
    rng = generator(0)
    mix = torch.tensor([[1.0, 0.0], [0.8, 0.3]], dtype=torch.float64)
    x = torch.randn(n, 2, dtype=torch.float64, generator=rng) @ mix.T
    y = (torch.arange(n) % 4 == 0).long()
    return x + 5 * y[:, None], y


@pytest.mark.parametrize("diagonal", [False, True])
def test_draws_have_the_moments_of_their_class(diagonal):
    x, y = data()
    start = ClassGaussian((1, 2), 2, diagonal=diagonal).double().fit(x[:, None], y)
    n = 20_000
    for c in (0, 1):
        drawn = start.draw(n, generator(1), y=torch.full((n,), c)).position.flatten(1)
        expected = torch.cov(x[y == c].T)
        if diagonal:
            expected = torch.diag(expected.diagonal())
        mean_error = 5 * (expected.diagonal() / n).sqrt()  # z of 5: false alarm 6e-7 a number
        assert ((drawn.mean(0) - x[y == c].mean(0)).abs() < mean_error).all()
        spread = torch.outer(expected.diagonal(), expected.diagonal()) + expected**2
        assert ((torch.cov(drawn.T) - expected).abs() < 5 * (spread / n).sqrt() + 1e-4).all()


def test_labels_without_a_wish_are_as_frequent_as_in_the_data():
    x, y = data()
    start = ClassGaussian((2,), 2).double().fit(x, y)
    drawn = start.draw(4000, generator(1))
    share = drawn.y.double().mean().item()
    assert abs(share - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5
    near = (drawn.position.mean(1) > 2.5) == (drawn.y == 1)
    assert near.double().mean() > 0.95


def test_one_gaussian_passes_labels_on_clamps_and_reloads():
    x, _ = data()
    start = ClassGaussian((2,), low=-1.0, high=1.0).fit(x.float())
    y = torch.tensor([3, 1, 2])
    drawn = start.draw(3, generator(0), y=y)
    assert torch.equal(drawn.y, y) and drawn.position.abs().max() <= 1
    other = ClassGaussian((2,), low=-1.0, high=1.0)
    other.load_state_dict(start.state_dict())
    assert torch.equal(other.draw(3, generator(0)).position, drawn.position)


def test_a_flat_class_does_not_break_the_root():
    start = ClassGaussian((2,)).fit(torch.ones(10, 2))
    assert torch.isfinite(start.draw(5, generator(0)).position).all()
    torch.testing.assert_close(start.scale[0], 0.01 * torch.eye(2))


def test_wrong_use_is_refused():
    x, y = data()
    with pytest.raises(UsageError, match="call fit"):
        ClassGaussian((2,)).draw(3, generator(0))
    with pytest.raises(UsageError, match="without labels"):
        ClassGaussian((2,), 2).fit(x)
    with pytest.raises(UsageError, match="class 2 has 0 points"):
        ClassGaussian((2,), 3).fit(x, y)
