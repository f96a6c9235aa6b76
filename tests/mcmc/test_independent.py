"""Independent Metropolis: the tilted prior, the ratio of the textbook, walls and NaN.

Statistical bounds are |z| < 4.5, false alarms 6.8e-6 each, about 6 in this file; seeds are fixed.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.latent import PullBack
from gibbsian.mcmc import MALA, IndependentMH, Langevin, run, tune

F64 = torch.float64
Z = 4.5


def prior(x: Tensor) -> Tensor:
    return x.square().sum(1) / 2


def tilted(tilt):
    """tilt + |z|^2 / 2, through the energy that models on latents use."""
    return PullBack(tilt, lambda z: z)


def start(n: int) -> Tensor:
    return torch.randn(n, 1, generator=generator(0), dtype=F64)


def test_without_a_tilt_every_step_is_a_fresh_draw_of_the_prior():
    x = start(40_000) + 5
    chain = run(IndependentMH(), prior, x, steps=1, rng=generator(1))
    torch.testing.assert_close(chain.info.acceptance, torch.ones(40_000, dtype=F64))
    assert (chain.position != x).all()
    assert abs(float(chain.position.mean())) < Z / 200
    assert abs(float(chain.position.square().mean()) - 1) < Z * 2**0.5 / 200


def test_a_tilted_law_is_reached_from_the_prior():
    """N(0, 1) tilted by exp(z / 2 - z^2) is N(1/6, 1/3): independent chains, so plain standard errors."""
    x = start(60_000)
    chain = run(IndependentMH(), tilted(lambda z: z[:, 0] ** 2 - z[:, 0] / 2), x, steps=60, rng=generator(2))
    end = chain.position[:, 0]
    n, mean, var = len(end), 1 / 6, 1 / 3
    assert abs(float(end.mean()) - mean) < Z * (var / n) ** 0.5
    assert abs(float((end - mean).square().mean()) - var) < Z * (2 * var**2 / n) ** 0.5


def test_modes_apart_are_weighed_in_a_few_steps():
    """Two bumps of the tilt at -2 and 2; a wall between them stops no proposal."""

    def bumps(z: Tensor) -> Tensor:
        return torch.where(z[:, 0].abs() > 1, torch.where(z[:, 0] > 0, 0.0, math.log(3.0)), float("inf"))

    chain = run(
        IndependentMH(), tilted(bumps), torch.full((20_000, 1), 1.5, dtype=F64), steps=60, rng=generator(3)
    )
    right = (chain.position[:, 0] > 0).double().mean()
    assert abs(float(right) - 0.75) < Z * (0.75 * 0.25 / 20_000) ** 0.5
    assert not chain.info.divergent.any() and (chain.position.abs() > 1).all()


def test_acceptance_is_the_ratio_of_the_tilts():
    """min(1, exp(f(z) - f(z'))) with the tilt f alone: the prior is proposal and target, and cancels."""

    def tilt(z: Tensor) -> Tensor:
        return z.sin().sum(1) + z[:, 0]

    x = torch.randn(50, 2, generator=generator(0), dtype=F64)
    kernel, energy = IndependentMH(), tilted(tilt)
    state, info = kernel.step(energy, kernel.init(energy, x), generator(4))
    proposed = torch.randn(50, 2, generator=generator(4), dtype=F64)
    torch.testing.assert_close(info.acceptance, (tilt(x) - tilt(proposed)).exp().clamp(max=1))
    moved = (state.position != x).any(1)
    assert 0 < moved.sum() < 50
    torch.testing.assert_close(state.position, torch.where(moved[:, None], proposed, x))
    torch.testing.assert_close(state.energy, energy(state.position))


def test_mean_acceptance_of_a_step_tilt_in_closed_form():
    """E = a on z > 0: from the lower half, steps up pass with e^-a, all others always."""
    a = 1.3
    x = -start(40_000).abs()
    chain = run(IndependentMH(), tilted(lambda z: a * (z[:, 0] > 0)), x, steps=1, rng=generator(5))
    truth = (1 + math.exp(-a)) / 2
    spread = (1 - math.exp(-a)) / 2
    assert abs(float(chain.info.acceptance.mean()) - truth) < Z * spread / 200


@pytest.mark.parametrize(
    ("bad", "divergent"), [(float("inf"), False), (float("nan"), True), (-float("inf"), True)]
)
def test_what_is_not_finite_is_rejected(bad, divergent):
    def energy(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0.5, bad, prior(x))

    chain = run(IndependentMH(), energy, torch.zeros(200, 1, dtype=F64), steps=3, rng=generator(6))
    assert chain.position.max() <= 0.5 and bool(chain.info.divergent.any()) == divergent
    assert chain.energy.isfinite().all() and chain.info.acceptance.min() < 1


def test_a_chain_behind_a_wall_comes_out_and_one_at_nan_is_flagged():
    def walled(x: Tensor, beyond: float) -> Tensor:
        return torch.where(x[:, 0] > 3, beyond, prior(x))

    x = torch.full((50, 1), 4.0, dtype=F64)
    out = run(IndependentMH(), lambda x: walled(x, float("inf")), x, steps=1, rng=generator(7))
    assert (out.position < 3).all() and not out.info.divergent.any()
    stuck = run(IndependentMH(), lambda x: walled(x, float("nan")), x, steps=1, rng=generator(7))
    assert torch.equal(stuck.position, x) and stuck.info.divergent.all()


def test_a_pair_of_latents_moves_as_one():
    """Both leaves come from the same proposal: the energy ties them."""
    pair = start(400), torch.randn(400, 2, 2, generator=generator(1), dtype=F64)

    def tilt(z) -> Tensor:
        return (z[0][:, 0] - z[1].flatten(1).mean(1)).square()

    chain = run(IndependentMH(), tilted(tilt), pair, steps=5, rng=generator(8))
    stayed = chain.position[0][:, 0] == pair[0][:, 0]
    assert torch.equal(stayed, (chain.position[1] == pair[1]).flatten(1).all(1)) and 0 < stayed.sum() < 400
    torch.testing.assert_close(chain.energy, tilted(tilt)(chain.position))


def test_energies_need_no_gradient():
    """A step function of whole numbers: autograd would have nothing to hold."""
    chain = run(
        IndependentMH(),
        tilted(lambda z: z.detach().round().abs().sum(1)),
        start(20),
        steps=3,
        rng=generator(9),
    )
    assert chain.state.grad is None and chain.info.gradients == 0


def test_states_of_other_kernels():
    x = start(20)
    with_gradient = run(MALA(0.5), prior, x, steps=2, rng=generator(0)).state
    assert run(IndependentMH(), prior, with_gradient, steps=2, rng=generator(0)).state.grad is None
    with pytest.raises(UsageError, match="no energy"):
        run(
            IndependentMH(),
            prior,
            run(Langevin(0.1), prior, x, steps=1, rng=generator(0)).state,
            steps=1,
            rng=generator(0),
        )
    with pytest.raises(UsageError, match="nothing to tune"):
        tune(IndependentMH(), prior, x, generator(0))
