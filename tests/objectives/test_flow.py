import pytest
import torch
from scipy.optimize import linear_sum_assignment

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.objectives.flow import flow_loss, transport_plan, transported


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


def sets(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    x_0 = normal(9, 100, 2)
    far = torch.cat([normal(10, 99, 2), torch.full((1, 2), 1e4).double()])
    ends = {"near": normal(10, 100, 2) + 1, "far": far, "apart": normal(10, 100, 2).sign() * 30, "same": x_0}
    return x_0, ends[kind]


@pytest.mark.parametrize("kind", ["near", "far", "apart", "same"])
@pytest.mark.parametrize("blur", [1e-300, 0.001, 0.005, 0.05, 0.5, 5.0])
def test_every_row_has_mass_1_at_every_blur(kind, blur) -> None:
    """And the plan costs no less than the best assignment, and little more at small blurs."""
    x_0, x_1 = sets(kind)
    plan = transport_plan(x_0, x_1, blur=blur)
    assert (plan >= 0).all()
    for axis in (0, 1):
        torch.testing.assert_close(plan.sum(axis), torch.ones(100).double(), rtol=0, atol=1e-9)
    cost = torch.cdist(x_0, x_1).square()
    best = float(cost[linear_sum_assignment(cost)].mean())
    found, mean = float((plan * cost).sum()) / 100, float(cost.mean())
    assert best - 1e-9 <= found <= best + (3 * min(blur, 1) + 0.01) * mean


@pytest.mark.parametrize("side", [0, 1])
def test_one_row_far_from_a_thousand_is_coupled_too(side) -> None:
    """Its distances are some thousand times the mean, where exp(-distance) is 0; its partner is what lies
    furthest that way."""
    pair = [normal(13, 1000, 2), normal(14, 1000, 2)]
    pair[side][7] = torch.tensor([300.0, 0.0])
    plan = transport_plan(*pair, blur=1 / 16)
    for axis in (0, 1):
        torch.testing.assert_close(plan.sum(axis), torch.ones(1000).double(), rtol=0, atol=1e-9)
    partner = plan.select(side, 7) @ pair[1 - side]
    assert float(partner[0]) > 2.5


@pytest.mark.parametrize("blur", [0.01, 0.05, 0.5])
def test_the_plan_is_the_entropic_one(blur) -> None:
    """Sinkhorn's fixed point by 5,000 rounds in logarithms; half a per cent of the mass may lie elsewhere."""
    x_0, x_1 = normal(11, 20, 2), normal(12, 20, 2)
    cost = torch.cdist(x_0, x_1).square()
    wanted = -cost / (blur * cost.mean())
    for _ in range(5000):
        wanted = wanted - wanted.logsumexp(0)
        wanted = wanted - wanted.logsumexp(1, keepdim=True)
    apart = (transport_plan(x_0, x_1, blur=blur) - wanted.exp()).abs().sum() / 2
    assert float(apart) / 20 < 0.005


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
