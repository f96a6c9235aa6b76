"""Affine couplings: the inverse, its determinant, a density that integrates to one."""

from __future__ import annotations

import math

import pytest
import torch

from experiments.grid import Grid
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.flow import LOG_SCALE_BOUND, CouplingFlow, masks


def flow(features: int, blocks: int = 5, stir: float = 0.3, activation: str = "swish") -> CouplingFlow:
    """A flow away from the identity it begins as: its last layers are drawn with deviation `stir`."""
    with seeded_init(generator(0)):
        net = CouplingFlow(features, (16, 16), blocks, activation).double()
    rng = generator(1)
    for coupling in net.couplings:
        last = coupling.layers[-1]
        for p in (last.weight, last.bias):
            p.data.copy_(stir * torch.randn(p.shape, generator=rng, dtype=p.dtype))
    return net


def points(rows: int, features: int, seed: int = 2) -> torch.Tensor:
    return torch.randn((rows, features), generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("features", [2, 3, 7, 64])
def test_there_and_back_and_every_coordinate_moves(features):
    net, z = flow(features), points(20, features)
    x = net(z)
    back, _ = net.inverse(x)
    torch.testing.assert_close(back, z, atol=1e-10, rtol=0)
    torch.testing.assert_close(net(net.inverse(z)[0]), z, atol=1e-10, rtol=0)
    assert ((x - z).abs().mean(0) > 1e-3).all()


@pytest.mark.parametrize("features", [2, 3])
def test_log_det_is_that_of_the_jacobian(features):
    net, x = flow(features), points(4, features)
    _, log_det = net.inverse(x)
    for row, value in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda a: net.inverse(a[None])[0][0], row)
        torch.testing.assert_close(value, torch.linalg.slogdet(jacobian).logabsdet, atol=1e-10, rtol=0)
    assert log_det.std() > 0.01


def test_density_integrates_to_one():
    net = flow(2, stir=0.2)
    log_z = Grid(-12, 12, 400, dtype=torch.float64).log_z(lambda x: -net.log_density(x).detach())
    assert log_z == pytest.approx(0.0, abs=1e-4)


def test_begins_as_the_identity_with_the_normal_density():
    with seeded_init(generator(0)):
        net = CouplingFlow(3, (8,), 4)
    z = points(5, 3).float()
    torch.testing.assert_close(net(z), z, atol=0, rtol=0)
    normal = -0.5 * z.square().sum(1) - 1.5 * math.log(2 * math.pi)
    torch.testing.assert_close(net.log_density(z), normal)


def test_gradient_of_the_density_reaches_every_parameter():
    net = flow(4)
    net.log_density(points(10, 4)).mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_maximum_likelihood_finds_a_correlated_gaussian():
    with seeded_init(generator(0)):
        net = CouplingFlow(2, (32,), 4, "tanh")
    chol = torch.tensor([[1.0, 0.0], [1.2, 0.5]])
    data = points(500, 2, seed=3).float() @ chol.T
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        loss = -net.log_density(data).mean()
        loss.backward()
        optimiser.step()
    whitened = torch.linalg.solve_triangular(chol, data.T, upper=False).T
    exact = (0.5 * whitened.square().sum(1)).mean() + math.log(2 * math.pi) + math.log(0.5)
    assert abs(loss.item() - exact.item()) < 0.05


def test_scales_are_bounded_however_large_the_weights():
    net, x = flow(4, blocks=2, stir=100.0), points(10, 4)
    _, log_det = net.inverse(x)
    assert log_det.abs().max() <= 4 * LOG_SCALE_BOUND + 1e-9


def test_masks_come_in_complementary_pairs_and_part_every_two_coordinates():
    chosen = masks(7, 6)
    for a, b in zip(chosen[::2], chosen[1::2], strict=True):
        assert torch.equal(a, ~b) and a.any() and b.any()
    for i in range(7):
        assert all(any(bool(m[i] != m[j]) for m in chosen) for j in range(i))


def test_full_precision_under_autocast():
    with seeded_init(generator(0)):
        net = CouplingFlow(3, (8,), 4)
    z = points(5, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(z).dtype == net.log_density(z).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1, (8,), 4), "at least 2"), ((2, (8,), 1), "never move"), ((2, (), 4), "hidden is empty")],
)
def test_sizes_out_of_range(arguments, message):
    with pytest.raises(UsageError, match=message):
        CouplingFlow(*arguments)
