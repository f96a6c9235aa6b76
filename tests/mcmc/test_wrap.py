"""Wrappers against hand-written loops of the papers, in every nesting."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc import Clamped, Clipped, Langevin, Later, NoiseFirst, Scheduled, run


def ripple(x: Tensor) -> Tensor:
    return (0.01 * (7 * x).sin() - 0.02 * x).flatten(1).sum(1)


def slope(x: Tensor) -> Tensor:
    return 0.07 * (7 * x).cos() - 0.02


def start() -> Tensor:
    return torch.rand(6, 1, 4, 4, generator=generator(1), dtype=torch.float64)


IGEBM_PARTS = [NoiseFirst, lambda k: Clipped(k, value=0.03), lambda k: Clamped(k, 0.0, 1.0)]


@pytest.mark.parametrize("parts", list(itertools.permutations(IGEBM_PARTS)))
def test_igebm_in_five_steps(parts):
    """Noise, gradient, clamp of the gradient, move, clamp: Du and Mordatch 2019, in any nesting."""
    kernel = Langevin.matched_to(drift=10, noise=0.005)
    for part in parts:
        kernel = part(kernel)
    chain = run(kernel, ripple, start(), steps=5, rng=generator(0))
    x, rng = start(), generator(0)
    for _ in range(5):
        x = x + 0.005 * torch.randn(x.shape, generator=rng, dtype=x.dtype)
        g = slope(x).clamp(-0.03, 0.03)
        x = (x - 10 * g).clamp(0, 1)
    torch.testing.assert_close(chain.position, x)
    assert 0.1 < chain.info.clipped < 1 and 0.1 < chain.info.saturated < 1


def test_uva_clamps_the_noised_point_too():
    """Noise, clamp, gradient, clamp of the gradient, move, clamp, in [-1, 1]."""
    kernel = Clamped(Clipped(NoiseFirst(Langevin.matched_to(10, 0.05)), value=0.03), -1.0, 1.0, noised=True)
    begin = 2 * start() - 1
    chain = run(kernel, ripple, begin, steps=5, rng=generator(0))
    x, other, rng = begin, begin, generator(0)
    for _ in range(5):
        noise = 0.05 * torch.randn(x.shape, generator=rng, dtype=x.dtype)
        x = (x + noise).clamp(-1, 1)
        x = (x - 10 * slope(x).clamp(-0.03, 0.03)).clamp(-1, 1)
        other = other + noise
        other = (other - 10 * slope(other).clamp(-0.03, 0.03)).clamp(-1, 1)
    torch.testing.assert_close(chain.position, x)
    assert not torch.allclose(x, other)


def test_a_clamp_of_the_noised_point_needs_one():
    kernel = Clamped(Langevin(0.1), 0.0, 1.0, noised=True)
    with pytest.raises(UsageError, match="NoiseFirst"):
        run(kernel, ripple, start(), steps=1, rng=generator(0))
    run(NoiseFirst(kernel), ripple, start(), steps=1, rng=generator(0))


def test_clipping_by_norm_keeps_the_direction_of_each_chain():
    """Over all leaves of a pair at once; chains below the limit are left alone."""
    x = (start(), torch.arange(6.0, dtype=torch.float64)[:, None] / 10)

    def energy(pair: tuple[Tensor, Tensor]) -> Tensor:
        return ripple(pair[0]) + pair[1][:, 0] ** 2

    grads = (slope(x[0]), 2 * x[1])
    size = (grads[0].flatten(1).square().sum(1) + grads[1][:, 0].square()).sqrt()
    limit = float(size.mean())
    chain = run(Clipped(Langevin(2.0, 0.0), norm=limit), energy, x, steps=1, rng=generator(0))
    factor = (limit / size).clamp(max=1)
    torch.testing.assert_close(chain.position[0], x[0] - factor[:, None, None, None] * grads[0])
    torch.testing.assert_close(chain.position[1], x[1] - factor[:, None] * grads[1])
    assert 0 < (size > limit).sum() < 6
    assert float(chain.info.clipped) == pytest.approx((size > limit).double().mean().item())


def test_clipping_by_norm_takes_a_flat_place():
    chain = run(
        Clipped(Langevin(1.0, 0.0), norm=1.0), lambda x: (x * 0).flatten(1).sum(1), start(), steps=1,
        rng=generator(0), differentiable="all",
    )  # fmt: skip
    assert torch.equal(chain.position.detach(), start()) and not chain.info.divergent.any()


def test_limits_that_do_not_bind_change_nothing():
    plain = run(Langevin(0.1), ripple, start(), steps=4, rng=generator(0)).position
    for kernel in (
        Clipped(Langevin(0.1), value=1e3),
        Clipped(Langevin(0.1), norm=1e3),
        Clamped(Langevin(0.1), -1e3, 1e3),
        Scheduled(Langevin(9.0), step_size=lambda k: 0.1),
    ):
        chain = run(kernel, ripple, start(), steps=4, rng=generator(0))
        torch.testing.assert_close(chain.position, plain)
        assert not chain.info.clipped and not chain.info.saturated


def test_an_infinite_gradient_is_divergent_though_clipped():
    x = torch.tensor([[0.0], [1.0]])
    kernel = Clamped(Clipped(Langevin(0.1), value=0.5), -2.0, 2.0)
    chain = run(kernel, lambda x: -x[:, 0].sqrt(), x, steps=1, rng=generator(0))
    assert chain.info.divergent.tolist() == [True, False]


def test_a_leap_to_infinity_is_divergent_though_clamped():
    chain = run(Clamped(Langevin(1.0), -1.0, 1.0), lambda x: (x**2 * 1e38)[:, 0], torch.tensor([[3.0]]),
                steps=1, rng=generator(0))  # fmt: skip
    assert chain.info.divergent.all()


def test_schedules_read_the_count_of_the_chain():
    kernel = Scheduled(
        Langevin(1.0, 5.0), step_size=lambda k: 0.1 / (k + 1), temperature=lambda k: [0.5, 0.0][k]
    )
    x, rng = start(), generator(0)
    chain = run(kernel, ripple, x, steps=2, rng=generator(0))
    xi = torch.randn(x.shape, generator=rng, dtype=x.dtype)
    x = x - 0.05 * slope(x) + (0.1 * 0.5) ** 0.5 * xi
    x = x - 0.025 * slope(x)
    torch.testing.assert_close(chain.position, x)


def test_a_schedule_out_of_range_is_refused_when_it_gets_there():
    kernel = Scheduled(Langevin(0.1), temperature=lambda k: 1.0 - k)
    with pytest.raises(UsageError, match="temperature is -1"):
        run(kernel, ripple, start(), steps=3, rng=generator(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k: Clipped(k), "exactly one"),
        (lambda k: Clipped(k, value=1.0, norm=1.0), "exactly one"),
        (lambda k: Clipped(k, value=0.0), "value is 0"),
        (lambda k: Clipped(Scheduled(Clipped(k, value=1.0), step_size=lambda c: 0.1), norm=1.0), "already"),
        (lambda k: Clamped(k, 1.0, 0.0), "low must be below"),
        (lambda k: Clamped(NoiseFirst(Clamped(k, 0.0, 1.0)), 0.0, 1.0), "already"),
        (lambda k: Scheduled(k), "no schedule"),
    ],
)
def test_wrappers_are_validated(make, message):
    with pytest.raises(UsageError, match=message):
        make(Langevin(0.1))


def test_later_goes_on_with_the_schedule():
    inner = Scheduled(Langevin(0.1), step_size=lambda k: 0.1 / (1 + k))
    later = Later(NoiseFirst(inner), 3)
    assert [later.move(k) for k in range(3)] == [NoiseFirst(inner).move(k + 3) for k in range(3)]
    with pytest.raises(UsageError, match="made is -1"):
        Later(Langevin(0.1), -1)
