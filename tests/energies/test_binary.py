"""The Ising model and the restricted Boltzmann machine, against sums over all events."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.energies.binary import RBM, Ising

F64 = torch.float64


def rbm() -> RBM:
    rng = gb.generator(0)
    return RBM(*(torch.randn(n, generator=rng, dtype=F64) for n in ((7, 3), (7,), (3,))))


def every(target: Ising | RBM, low: float) -> Tensor:
    size = torch.Size(target.event).numel()
    bits = (torch.arange(2**size)[:, None] >> torch.arange(size)).remainder(2).double()
    return (low + (1 - low) * bits).reshape(-1, *target.event)


TARGETS = [
    (Ising(3, 4, 0.5, 0.2), -1.0),
    (Ising(1, 5, -0.3, 0.1), -1.0),
    (Ising(3, 1, 0.5), -1.0),
    (rbm(), 0.0),
]


@pytest.mark.parametrize(("target", "low"), TARGETS)
def test_exact_answers_by_enumeration(target, low):
    x = every(target, low)
    log_p = -target(x)
    assert target.log_z == pytest.approx(float(log_p.logsumexp(0)), abs=1e-10)
    p = log_p.softmax(0)
    mean = (p @ x.flatten(1)).reshape(target.event)
    torch.testing.assert_close(target.mean, mean)
    torch.testing.assert_close(target.var, (p @ x.flatten(1).square()).reshape(target.event) - mean.square())


@pytest.mark.parametrize(("target", "low"), TARGETS)
def test_draws_have_the_moments(target, low):
    x = target.draw(40_000, 3).double()
    z = (x.mean(0) - target.mean) / (target.var / len(x)).sqrt()
    assert float(z.abs().max()) < 4.5
    every_x = every(target, low)
    energy = (-target(every_x)).softmax(0) @ target(every_x)
    assert abs(float(target(x).mean() - energy)) < 4.5 * float(target(x).std()) / 200


def test_the_energy_of_an_rbm_sums_its_hidden_bits_out():
    target = rbm()
    v = every(target, 0.0)[[5, 77]]
    h = (torch.arange(8)[:, None] >> torch.arange(3)).remainder(2).double()
    joint = v @ target.visible + (h @ target.hidden)[:, None] + h @ target.weights.T @ v.T
    torch.testing.assert_close(target(v), -joint.logsumexp(0))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Ising(0, 4),
        lambda: Ising(4, 17),
        lambda: RBM(torch.zeros(3, 2), torch.zeros(3), torch.zeros(3)),
        lambda: RBM(torch.zeros(3, 17), torch.zeros(3), torch.zeros(17)),
    ],
)
def test_sizes_that_do_not_fit(build):
    with pytest.raises(UsageError, match="at most 16|1 to 16"):
        build()
