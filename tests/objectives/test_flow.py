import pytest
import torch
from scipy.optimize import linear_sum_assignment

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.objectives.flow import flow_loss, transported


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def test_the_loss_is_the_error_of_the_velocity() -> None:
    x_0, x_1, t = normal(0, 6, 2), normal(1, 6, 2), torch.linspace(0, 1, 6).double()
    loss = flow_loss(lambda x: x.square().sum(1), x_0, x_1, t)
    x_t = (1 - t[:, None]) * x_0 + t[:, None] * x_1
    torch.testing.assert_close(loss.value, (2 * x_t + x_1 - x_0).square().mean())


def test_a_shift_is_learnt_exactly_and_parameters_get_gradients() -> None:
    shift = torch.tensor([0.7, -0.2], dtype=torch.float64)
    slope = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    x_0 = normal(2, 50, 2)
    t = torch.rand(50, generator=generator(3)).double()
    loss = flow_loss(lambda x: x @ slope, x_0, x_0 + shift, t)
    loss.value.backward()
    torch.testing.assert_close(slope.grad, shift)  # d/dslope of mean (slope + shift)^2 over two coordinates
    falling = lambda x: -x @ shift + 0 * x.square().sum(1)  # noqa: E731
    exact = flow_loss(falling, x_0, x_0 + shift, torch.zeros(50).double())
    assert float(exact.value.detach()) < 1e-12


def test_coupling_comes_near_the_best_assignment() -> None:
    x_0, x_1 = normal(4, 128, 2), normal(5, 128, 2) + 1
    cost = torch.cdist(x_0, x_1).square()
    best = float(cost[linear_sum_assignment(cost)].mean())
    got = transported(x_0, x_1, generator(0), blur=0.005)
    assert best <= float(cost.mean()) / 2
    assert float((x_0 - got).square().sum(1).mean()) < 1.1 * best


def test_every_row_of_data_is_used_about_once() -> None:
    x_1 = torch.arange(64).double()[:, None]
    got = transported(normal(6, 64, 1), x_1, generator(0))[:, 0].long()
    assert len(got.unique()) > 40  # independent draws would leave about 23 of 64 out


def test_points_far_apart_and_equal_points_are_no_trouble() -> None:
    far = transported(normal(7, 8, 2), 1e4 * normal(8, 8, 2), generator(0))
    same = transported(torch.ones(4, 2), torch.ones(4, 2), generator(0))
    assert torch.isfinite(far).all() and torch.equal(same, torch.ones(4, 2))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match="flow from"):
        flow_loss(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(2, 2), torch.zeros(3))
