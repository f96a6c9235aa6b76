"""Underdamped Langevin: each splitting against a hand-written step, and the flip on rejection."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc import HMC, ChainState, Underdamped, run

F64 = torch.float64
H, FRICTION, T = 0.3, 0.8, 0.6


def lopsided(x: Tensor) -> Tensor:
    return (x.exp() - x + 0.3 * x**2).sum(1)


def slope(x: Tensor) -> Tensor:
    return x.exp() - 1 + 0.6 * x


def draw(seed: int, n: int = 20) -> Tensor:
    return torch.randn(n, 2, generator=generator(seed), dtype=F64)


def friction_and_noise(v: Tensor, time: float, rng: torch.Generator) -> Tensor:
    c = math.exp(-FRICTION * time)
    return c * v + math.sqrt(T * (1 - c**2)) * torch.randn(v.shape, generator=rng, dtype=F64)


def by_hand(letters: str, x: Tensor, v: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A splitting read letter by letter; a letter that occurs twice acts for half a step each time."""
    for letter in letters:
        time = H / letters.count(letter)
        if letter == "a":
            x = x + time * v
        elif letter == "b":
            v = v - time * slope(x)
        else:
            v = friction_and_noise(v, time, rng)
    return x, v


@pytest.mark.parametrize("splitting", ["baoab", "aboba", "obabo"])
def test_a_step_is_its_letters(splitting):
    kernel = Underdamped(H, FRICTION, T, splitting=splitting)
    state = kernel.init(lopsided, draw(0))._replace(velocity=draw(1))
    rng = generator(2)
    x, v = draw(0), draw(1)
    for _ in range(3):
        x, v = by_hand(splitting, x, v, rng)
    chain = run(kernel, lopsided, state, steps=3, rng=generator(2))
    torch.testing.assert_close(chain.position, x)
    torch.testing.assert_close(chain.state.velocity, v)


def test_the_first_step_draws_the_velocity_from_its_law():
    kernel = Underdamped(1e-6, 1e-6, temperature=T)
    chain = run(kernel, lopsided, draw(0, 20_000), steps=1, rng=generator(0))
    z = (chain.state.velocity**2 - T).mean(0) / (T * (2 / 20_000) ** 0.5)
    assert z.abs().max() < 4.5  # false alarm 1.4e-5


def test_velocity_is_negated_on_rejection():
    """With hardly any friction a rejected chain turns round (slip: no flip); an accepted one goes on."""
    kernel = Underdamped(0.9, 1e-12, splitting="obabo", metropolis=True)
    steep = lambda x: 3 * lopsided(x)  # noqa: E731
    state = kernel.init(steep, draw(0, 200))._replace(velocity=draw(1, 200))
    new, info = kernel.step(steep, state, generator(2))
    stayed = (new.position == state.position).all(1)
    assert 10 < stayed.sum() < 190 and (info.acceptance[stayed] < 1).all()
    torch.testing.assert_close(new.velocity[stayed], -state.velocity[stayed], rtol=0, atol=1e-4)
    assert not torch.isclose(new.velocity[~stayed], -state.velocity[~stayed], atol=1e-3).all(1).any()


@pytest.mark.parametrize("metropolis", [False, True])
def test_friction_acts_once_a_step(metropolis):
    """Where nearly all is accepted, Cov(v, v') = exp(-friction h) T, also with several leapfrogs."""
    n, h = 20_000, 1e-3
    kernel = Underdamped(h, 0.7 / h, T, splitting="obabo", metropolis=metropolis, leapfrogs=3)
    v = math.sqrt(T) * draw(1, n)
    state = kernel.init(lopsided, draw(0, n))._replace(velocity=v)
    v_new = run(kernel, lopsided, state, steps=1, rng=generator(2)).state.velocity
    product = (v * v_new).mean(1)
    z = (product.mean() - math.exp(-0.7) * T) / (product.std() / n**0.5)
    assert z.abs() < 4.5  # false alarm 7e-6


def test_full_friction_is_hmc():
    """When every velocity is forgotten, the Metropolis form accepts as HMC does, from the same draws."""
    n = 20_000
    start = draw(0, n)
    a = run(Underdamped(0.7, 1e3, splitting="obabo", metropolis=True, leapfrogs=3), lopsided, start,
            steps=1, rng=generator(3))  # fmt: skip
    b = run(HMC(0.7, leapfrogs=3), lopsided, start, steps=1, rng=generator(4))
    # Two independent estimates of one mean acceptance: |z| < 4.5, false alarm 7e-6.
    error = (a.info.acceptance.var() / n + b.info.acceptance.var() / n).sqrt()
    assert (a.info.acceptance.mean() - b.info.acceptance.mean()).abs() < 4.5 * error


def test_low_friction_keeps_its_direction():
    """On a plain the mean squared way after K steps of h is that of the Ornstein-Uhlenbeck velocity."""
    n, steps = 20_000, 50
    for friction in (0.05, 5.0):
        kernel = Underdamped(0.2, friction, splitting="aboba")
        x = torch.zeros(n, 1, dtype=F64)
        chain = run(kernel, lambda x: x[:, 0] * 0, x, steps=steps, rng=generator(5))
        c, h = math.exp(-friction * 0.2), 0.2
        # x_K = h sum_k (v_k + v_{k+1}) / 2 with Cov(v_i, v_j) = c^|i-j|.
        weights = torch.full((steps + 1,), h, dtype=F64)
        weights[0] = weights[-1] = h / 2
        lag = (torch.arange(steps + 1)[:, None] - torch.arange(steps + 1)).abs()
        truth = weights @ (c ** lag.double()) @ weights
        z = (chain.position.square().mean() / truth - 1) / (2 / n) ** 0.5
        assert z.abs() < 4.5  # false alarm 7e-6 each


def test_a_nan_proposal_is_rejected_and_turns_round():
    def walled(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0.5, float("nan"), x[:, 0] ** 2 / 2)

    kernel = Underdamped(0.8, 1.0, splitting="obabo", metropolis=True, leapfrogs=2)
    chain = run(kernel, walled, torch.zeros(200, 2, dtype=F64), steps=5, rng=generator(0))
    assert chain.info.divergent.any() and chain.position[:, 0].max() <= 0.5
    assert chain.state.velocity.isfinite().all() and chain.state.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"friction": 0.0}, "friction is 0"),
        ({"splitting": "boaba"}, "did you mean"),
        ({"metropolis": True}, "obabo"),
        ({"leapfrogs": 2, "splitting": "aboba"}, "obabo"),
        ({"leapfrogs": 0, "splitting": "obabo"}, "leapfrogs is 0"),
        ({"temperature": 0.0}, "temperature is 0"),
    ],
)
def test_options_are_validated(options, message):
    with pytest.raises(UsageError, match=message):
        Underdamped(**({"step_size": 0.1, "friction": 1.0} | options))


def test_a_state_of_another_splitting_is_refused():
    state = ChainState(draw(0), velocity=draw(1))
    with pytest.raises(UsageError, match="init"):
        run(Underdamped(0.1, 1.0), lopsided, state, steps=1, rng=generator(0))
