"""Unadjusted Langevin: the formula, the papers' parametrisation, their variations against loops by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.position import randn_like
from gibbsian.core.random import generator
from gibbsian.mcmc import Langevin, run
from gibbsian.mcmc.kernels import kernel_of
from gibbsian.mcmc.settings import ChainConfig


def bowl(x: Tensor) -> Tensor:
    return (1.5 * x**2).flatten(1).sum(1)


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(1), dtype=torch.float64)


def test_one_step_is_the_formula():
    x, s, temperature = start(5, 2, 3), 0.2, 0.6
    xi = randn_like(x, generator(0))
    chain = run(Langevin(s, temperature), bowl, x, steps=1, rng=generator(0))
    torch.testing.assert_close(chain.position, x - s / 2 * 3 * x + (s * temperature) ** 0.5 * xi)


def test_report_holds_the_norms_of_both_parts():
    x, s = start(5, 2, 3), 0.2
    xi = randn_like(x, generator(0))
    state, info = Langevin(s, 0.6).step(bowl, Langevin(s).init(bowl, x), generator(0))
    torch.testing.assert_close(info.drift, (s / 2 * 3 * x).flatten(1).norm(dim=1))
    torch.testing.assert_close(info.noise, (s * 0.6) ** 0.5 * xi.flatten(1).norm(dim=1))
    assert info.acceptance is None and info.clipped is None and info.saturated is None


@pytest.mark.parametrize(
    ("drift", "noise", "step_size", "temperature"),
    [(10, 0.005, 20, 1.25e-6), (1, 0.01, 2, 5e-5), (100, 0.001, 200, 5e-9)],
    ids=["igebm", "jem", "improved-cd"],
)
def test_from_drift_gives_the_papers_temperature(drift, noise, step_size, temperature):
    kernel = Langevin.from_drift(drift=drift, noise=noise)
    assert kernel.step_size == step_size and kernel.temperature == pytest.approx(temperature, rel=1e-12)
    x = start(4, 2)
    xi = randn_like(x, generator(0))
    chain = run(kernel, bowl, x, steps=1, rng=generator(0))
    torch.testing.assert_close(chain.position, x - drift * 3 * x + noise * xi)


def test_temperature_scale_and_step_are_one():
    """(E, s, T) and (E/T, s T, 1) are the same chain."""
    x = start(5, 2)
    cold = run(Langevin(0.2, 0.25), bowl, x, steps=6, rng=generator(0))
    warm = run(Langevin(0.05, 1.0), lambda x: bowl(x) / 0.25, x, steps=6, rng=generator(0))
    torch.testing.assert_close(cold.position, warm.position)


def test_zero_temperature_descends_and_draws_nothing():
    rng = generator(0)
    state = rng.get_state()
    chain = run(Langevin(0.2, 0.0), bowl, start(5, 2), steps=4, rng=rng)
    torch.testing.assert_close(chain.position, start(5, 2) * (1 - 0.3) ** 4)
    assert torch.equal(rng.get_state(), state) and chain.info.drift_noise is None


def test_the_drift_is_assigned():
    """A chain on a steep bowl loses energy; noise alone gains it (the CS698X slip: drift not assigned)."""
    x = 3 * start(200, 2)
    chain = run(Langevin(0.1), bowl, x, steps=30, rng=generator(0))
    walk = run(Langevin(0.1), lambda x: bowl(x) * 0, x, steps=30, rng=generator(0))
    assert chain.energy.mean() < 0.2 * bowl(x).mean() < 0.2 * bowl(walk.position).mean()


def test_noise_first_takes_the_gradient_at_the_noised_point():
    x, s = start(5, 2), 0.2
    y = x + s**0.5 * randn_like(x, generator(0))
    chain = run(Langevin(s, noise_first=True), bowl, x, steps=1, rng=generator(0))
    torch.testing.assert_close(chain.position, y - s / 2 * 3 * y)


def test_a_kernel_tells_whether_it_claims_a_density():
    plain = Langevin(0.1)
    assert plain.samples_density and replace(plain, step_size_schedule=lambda k: 0.1).samples_density
    for option in (
        {"temperature": 0.0},
        {"noise_first": True},
        {"clip_value": 1.0},
        {"clamp": (-1.0, 1.0)},
        {"temperature_schedule": lambda k: 1.0},
        {"clip_norm": 1.0, "step_size_schedule": lambda k: 0.1},
    ):
        assert not replace(plain, **option).samples_density


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_temperatures_out_of_range_are_refused(temperature):
    with pytest.raises(UsageError, match="temperature is"):
        Langevin(0.1, temperature)


def test_noise_out_of_range_is_refused():
    with pytest.raises(UsageError, match="noise is"):
        Langevin.from_drift(drift=1.0, noise=-0.1)


def test_a_blown_up_chain_is_flagged_and_left_for_its_owner():
    x = torch.tensor([[1.0], [1e30]])
    chain = run(Langevin(0.1), lambda x: x[:, 0] ** 4, x, steps=1, rng=generator(0))
    assert chain.info.divergent.tolist() == [False, True]
    assert chain.position.isfinite().all(1).tolist() == [True, False]
    assert chain.info.drift_noise.isfinite()


# Variations of the image papers.


def ripple(x: Tensor) -> Tensor:
    return (0.01 * (7 * x).sin() - 0.02 * x).flatten(1).sum(1)


def slope(x: Tensor) -> Tensor:
    return 0.07 * (7 * x).cos() - 0.02


def images() -> Tensor:
    return torch.rand(6, 1, 4, 4, generator=generator(1), dtype=torch.float64)


def test_igebm_in_five_steps():
    """Noise, gradient, clamp of the gradient, move, clamp: Du and Mordatch 2019."""
    kernel = replace(
        Langevin.from_drift(drift=10, noise=0.005), noise_first=True, clip_value=0.03, clamp=(0.0, 1.0)
    )
    chain = run(kernel, ripple, images(), steps=5, rng=generator(0))
    x, rng = images(), generator(0)
    for _ in range(5):
        x = x + 0.005 * torch.randn(x.shape, generator=rng, dtype=x.dtype)
        g = slope(x).clamp(-0.03, 0.03)
        x = (x - 10 * g).clamp(0, 1)
    torch.testing.assert_close(chain.position, x)
    assert 0.1 < chain.info.clipped < 1 and 0.1 < chain.info.saturated < 1


def test_uva_clamps_the_noised_point_too():
    """Noise, clamp, gradient, clamp of the gradient, move, clamp, in [-1, 1]."""
    kernel = replace(
        Langevin.from_drift(10, 0.05),
        noise_first=True,
        clip_value=0.03,
        clamp=(-1.0, 1.0),
        clamp_noised=True,
    )
    begin = 2 * images() - 1
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


def test_clipping_by_norm_keeps_the_direction_of_each_chain():
    """Over all leaves of a pair at once; chains below the limit are left alone."""
    x = (images(), torch.arange(6.0, dtype=torch.float64)[:, None] / 10)

    def energy(pair: tuple[Tensor, Tensor]) -> Tensor:
        return ripple(pair[0]) + pair[1][:, 0] ** 2

    grads = (slope(x[0]), 2 * x[1])
    size = (grads[0].flatten(1).square().sum(1) + grads[1][:, 0].square()).sqrt()
    limit = float(size.mean())
    chain = run(Langevin(2.0, 0.0, clip_norm=limit), energy, x, steps=1, rng=generator(0))
    factor = (limit / size).clamp(max=1)
    torch.testing.assert_close(chain.position[0], x[0] - factor[:, None, None, None] * grads[0])
    torch.testing.assert_close(chain.position[1], x[1] - factor[:, None] * grads[1])
    assert 0 < (size > limit).sum() < 6
    assert float(chain.info.clipped) == pytest.approx((size > limit).double().mean().item())


def test_clipping_by_norm_takes_a_flat_place():
    chain = run(
        Langevin(1.0, 0.0, clip_norm=1.0), lambda x: (x * 0).flatten(1).sum(1), images(), steps=1,
        rng=generator(0), differentiable="all",
    )  # fmt: skip
    assert torch.equal(chain.position.detach(), images()) and not chain.info.divergent.any()


@pytest.mark.parametrize(
    "option",
    [{"clip_value": 1e3}, {"clip_norm": 1e3}, {"clamp": (-1e3, 1e3)}, {"step_size_schedule": lambda k: 0.1}],
    ids=lambda option: next(iter(option)),
)
def test_limits_that_do_not_bind_change_nothing(option):
    plain = run(Langevin(0.1), ripple, images(), steps=4, rng=generator(0)).position
    chain = run(Langevin(0.1, **option), ripple, images(), steps=4, rng=generator(0))
    torch.testing.assert_close(chain.position, plain)
    assert not chain.info.clipped and not chain.info.saturated


def test_an_infinite_gradient_is_divergent_though_clipped():
    x = torch.tensor([[0.0], [1.0]])
    kernel = Langevin(0.1, clip_value=0.5, clamp=(-2.0, 2.0))
    chain = run(kernel, lambda x: -x[:, 0].sqrt(), x, steps=1, rng=generator(0))
    assert chain.info.divergent.tolist() == [True, False]


def test_a_leap_to_infinity_is_divergent_though_clamped():
    chain = run(Langevin(1.0, clamp=(-1.0, 1.0)), lambda x: (x**2 * 1e38)[:, 0], torch.tensor([[3.0]]),
                steps=1, rng=generator(0))  # fmt: skip
    assert chain.info.divergent.all()


def test_schedules_read_the_count_of_the_chain():
    kernel = Langevin(
        1.0, 5.0, step_size_schedule=lambda k: 0.1 / (k + 1), temperature_schedule=lambda k: [0.5, 0.0][k]
    )
    x, rng = images(), generator(0)
    chain = run(kernel, ripple, x, steps=2, rng=generator(0))
    xi = torch.randn(x.shape, generator=rng, dtype=x.dtype)
    x = x - 0.05 * slope(x) + (0.1 * 0.5) ** 0.5 * xi
    x = x - 0.025 * slope(x)
    torch.testing.assert_close(chain.position, x)


def test_a_schedule_out_of_range_is_refused_when_it_gets_there():
    kernel = Langevin(0.1, temperature_schedule=lambda k: 1.0 - k)
    with pytest.raises(UsageError, match="temperature is -1"):
        run(kernel, ripple, images(), steps=3, rng=generator(0))


def test_steps_at_temperature_zero_of_a_schedule_draw_too():
    """All steps of an annealed chain are alike, so the stream does not depend on the schedule."""
    rngs = generator(0), generator(0)
    for temperature, rng in zip((0.0, 1.0), rngs, strict=True):
        kernel = Langevin(0.1, temperature_schedule=lambda k, t=temperature: t)
        run(kernel, ripple, images(), steps=2, rng=rng)
    assert torch.equal(rngs[0].get_state(), rngs[1].get_state())


def test_a_later_start_goes_on_with_the_schedule():
    kernel = Langevin(0.1, step_size_schedule=lambda k: 0.1 / (1 + k), noise_first=True)
    later = kernel.from_step(2).from_step(1)
    assert [later.at(k) for k in range(3)] == [kernel.at(k + 3) for k in range(3)]
    assert not kernel.steady and Langevin(0.1).from_step(3).steady


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_value": 1.0, "clip_norm": 1.0}, "give one of them"),
        ({"clip_value": 0.0}, "clip_value is 0"),
        ({"clip_norm": float("nan")}, "clip_norm is nan"),
        ({"clamp": (1.0, 0.0)}, "low must be below"),
        ({"clamp": (0.0, 1.0), "clamp_noised": True}, "noise_first"),
        ({"noise_first": True, "clamp_noised": True}, "noise_first"),
        ({"start_step": -1}, "start_step is -1"),
    ],
)
def test_options_are_validated(options, message):
    with pytest.raises(UsageError, match=message):
        Langevin(0.1, **options)


@pytest.mark.parametrize(("low", "high"), [(-math.inf, math.inf), (0.0, math.inf), (math.nan, 1.0)])
def test_clamped_chains_need_a_range(low, high) -> None:
    assert kernel_of(ChainConfig(), low, high).clamp is None
    assert kernel_of(ChainConfig(clamp=True), -1.0, 2.0).clamp == (-1.0, 2.0)
    with pytest.raises(UsageError, match="chain.clamp is set, but the range"):
        kernel_of(ChainConfig(clamp=True), low, high)
