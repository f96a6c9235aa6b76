"""The integrator: reversible, volume-preserving, second order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gibbsian.core.position import tree_map
from gibbsian.core.random import generator
from gibbsian.mcmc.leapfrog import hamiltonian, leapfrog
from gibbsian.mcmc.mala import MALA

F64 = torch.float64
METRIC = (torch.tensor([0.5, 2.0], dtype=F64), torch.full((3, 3), 0.3, dtype=F64))


def energy(pair: tuple[Tensor, Tensor]) -> Tensor:
    return (pair[0].exp() - pair[0]).sum(1) + (pair[1] ** 2 - pair[1].cos()).flatten(1).sum(1)


def draw(seed: int) -> tuple[Tensor, Tensor]:
    rng = generator(seed)
    return tuple(torch.randn(shape, generator=rng, dtype=F64) for shape in ((7, 2), (7, 3, 3)))


@pytest.mark.parametrize("metric", [None, METRIC], ids=["flat", "metric"])
def test_forward_flip_forward_returns_to_the_start(metric):
    x, v = draw(0), draw(1)
    h = torch.linspace(0.05, 0.2, 7, dtype=F64)
    there, v_there = leapfrog(energy, MALA(1.0).init(energy, x), v, h, 15, metric)
    back, v_back = leapfrog(energy, there, tree_map(torch.neg, v_there), h, 15, metric)
    for a, b in zip((*x, *v), (*back.position, *(-w for w in v_back)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    assert not torch.allclose(x[0], there.position[0], atol=0.1)


def test_volume_is_kept():
    """The Jacobian of (x, v) -> (x', v') in one dimension has determinant 1."""

    def flow(point: Tensor) -> Tensor:
        x, v = point[None, :1], point[None, 1:]
        for _ in range(3):
            v = v - 0.15 * (x.exp() - 1)
            x = x + 0.3 * v
            v = v - 0.15 * (x.exp() - 1)
        return torch.cat([x, v], dim=1)[0]

    point = torch.tensor([0.4, -0.7], dtype=F64)
    one = lambda x: (x.exp() - x).sum(1)  # noqa: E731
    end, v = leapfrog(one, MALA(1.0).init(one, point[None, :1]), point[None, 1:], 0.3, 3)
    torch.testing.assert_close(torch.cat([end.position, v], dim=1)[0], flow(point))
    jacobian = torch.autograd.functional.jacobian(flow, point)
    torch.testing.assert_close(torch.linalg.det(jacobian), torch.ones((), dtype=F64))


def test_energy_error_falls_with_the_square_of_the_step():
    x, v = draw(0), draw(1)
    start = MALA(1.0).init(energy, x)

    def error(h: float, steps: int) -> Tensor:
        end, v_end = leapfrog(energy, start, v, h, steps)
        return (hamiltonian(end, v_end) - hamiltonian(start, v)).abs().mean()

    assert error(0.05, 10) / error(0.025, 20) == pytest.approx(4, rel=0.05)
