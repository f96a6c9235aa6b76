"""Unadjusted Langevin: the formula, the papers' parametrisation, the matched flag."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.position import randn_like
from gibbsian.core.random import generator
from gibbsian.mcmc import Clamped, Clipped, Langevin, NoiseFirst, Scheduled, run


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
def test_matched_to_gives_the_papers_temperature(drift, noise, step_size, temperature):
    kernel = Langevin.matched_to(drift=drift, noise=noise)
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
    chain = run(NoiseFirst(Langevin(s)), bowl, x, steps=1, rng=generator(0))
    torch.testing.assert_close(chain.position, y - s / 2 * 3 * y)


def test_matched_is_told_by_the_kernel():
    plain = Langevin(0.1)
    assert plain.matched and Scheduled(plain, step_size=lambda k: 0.1).matched
    for kernel in (
        Langevin(0.1, 0.0),
        NoiseFirst(plain),
        Clipped(plain, value=1.0),
        Clamped(plain, -1.0, 1.0),
        Scheduled(plain, temperature=lambda k: 1.0),
        Scheduled(Clipped(plain, norm=1.0), step_size=lambda k: 0.1),
    ):
        assert not kernel.matched


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_temperatures_out_of_range_are_refused(temperature):
    with pytest.raises(UsageError, match="temperature is"):
        Langevin(0.1, temperature)


def test_noise_out_of_range_is_refused():
    with pytest.raises(UsageError, match="noise is"):
        Langevin.matched_to(drift=1.0, noise=-0.1)


def test_a_blown_up_chain_is_flagged_and_left_for_its_owner():
    x = torch.tensor([[1.0], [1e30]])
    chain = run(Langevin(0.1), lambda x: x[:, 0] ** 4, x, steps=1, rng=generator(0))
    assert chain.info.divergent.tolist() == [False, True]
    assert chain.position.isfinite().all(1).tolist() == [True, False]
    assert chain.info.drift_noise.isfinite()
