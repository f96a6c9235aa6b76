"""MALA: the ratio of the textbook, and the slips of published code."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc import HMC, MALA, run

F64 = torch.float64


def lopsided(x: Tensor) -> Tensor:
    return (x.exp() - x + 0.3 * x**2).sum(1)


def start(n: int = 50) -> Tensor:
    return torch.randn(n, 2, generator=generator(1), dtype=F64)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("metric", [None, (torch.tensor([0.5, 2.0], dtype=F64),)], ids=["flat", "metric"])
def test_acceptance_is_the_textbook_ratio(metric, temperature):
    """log alpha = (E - E')/T + [|x'-x+(s/2)m g|^2 - |x-x'+(s/2)m g'|^2]_{1/m} / (2 s T), chain by chain.

    GEBM's code multiplies the residual by gamma/4 instead of dividing by 4 gamma (gamma = s/2); a port of
    reduce-reuse-recycle divides by 2 gamma^2 and sums the ratio over the batch.
    """
    s, x = 0.7, start()
    m = torch.ones(2, dtype=F64) if metric is None else metric[0]
    kernel = MALA(s, temperature, metric)
    old = kernel.init(lopsided, x)
    state, info = kernel.step(lopsided, old, generator(0))
    xi = torch.randn(x.shape, generator=generator(0), dtype=F64)
    new = x - s / 2 * m * old.grad + (s * temperature * m).sqrt() * xi
    e, grad = value_and_grad(lopsided, new)
    forward = ((new - x + s / 2 * m * old.grad) ** 2 / m).sum(1)
    backward = ((x - new + s / 2 * m * grad) ** 2 / m).sum(1)
    log_ratio = (old.energy - e) / temperature + (forward - backward) / (2 * s * temperature)
    torch.testing.assert_close(info.acceptance, log_ratio.exp().clamp(max=1))
    moved = (state.position != x).any(1)
    assert 0 < moved.sum() < len(x)
    torch.testing.assert_close(state.position, torch.where(moved[:, None], new, x))


def test_each_chain_is_judged_by_itself():
    """One hopeless chain beside easy ones: they move, it stays."""
    x = torch.zeros(100, 1, dtype=F64)
    x[0] = 40.0
    chain = run(MALA(0.5), lambda x: x[:, 0] ** 4, x, steps=1, rng=generator(0))
    assert chain.info.acceptance[0] < 1e-6 and chain.position[0] == 40.0
    assert (chain.position[1:] != 0).double().mean() > 0.5


def test_cache_follows_acceptance_and_rejection():
    """After one step with both, cached numbers belong to where each chain stands (GEBM's stale gradient)."""
    kernel = MALA(1.5)
    state, info = kernel.step(lopsided, kernel.init(lopsided, start()), generator(0))
    moved = (state.position != start()).any(1)
    assert 0 < moved.sum() < 50
    e, grad = value_and_grad(lopsided, state.position)
    torch.testing.assert_close(state.energy, e)
    torch.testing.assert_close(state.grad, grad)


def test_one_leapfrog_of_hmc_is_the_same_chain():
    s = 0.6
    a = run(MALA(s, 0.5), lopsided, start(), steps=20, rng=generator(0))
    b = run(HMC(s**0.5, leapfrogs=1, temperature=0.5), lopsided, start(), steps=20, rng=generator(0))
    torch.testing.assert_close(a.position, b.position)
    torch.testing.assert_close(a.info.acceptance, b.info.acceptance)


def test_a_nan_proposal_is_rejected_and_counted():
    def walled(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0.5, float("nan"), x[:, 0] ** 2 / 2)

    x = torch.zeros(200, 1, dtype=F64)
    chain = run(MALA(0.8), walled, x, steps=1, rng=generator(0))
    assert 0 < chain.info.divergent.sum() < 200
    assert (chain.position[chain.info.divergent] == 0).all()
    assert (chain.info.acceptance[chain.info.divergent] == 0).all()
    assert chain.position.max() <= 0.5 and chain.energy.isfinite().all()


@pytest.mark.parametrize(("bad", "divergent"), [(float("inf"), False), (-float("inf"), True)])
def test_infinite_energies(bad, divergent):
    """+inf is a wall, rejected in silence; -inf would trap the chain for ever, rejected and counted."""

    def energy(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0.5, bad, x[:, 0] ** 2 / 2)

    chain = run(MALA(0.8), energy, torch.zeros(200, 1, dtype=F64), steps=3, rng=generator(0))
    assert chain.position.max() <= 0.5 and bool(chain.info.divergent.any()) == divergent


def test_a_chain_behind_a_wall_may_come_out():
    def energy(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0.0, float("inf"), x[:, 0] ** 2 / 2)

    chain = run(MALA(0.5), energy, torch.full((50, 1), 0.1, dtype=F64), steps=20, rng=generator(0))
    assert (chain.position < 0).all() and not chain.info.divergent.any()


def test_acceptance_goes_to_one_with_the_step():
    def mean(s: float) -> Tensor:
        return run(MALA(s), lopsided, start(), steps=3, rng=generator(0)).info.acceptance.mean()

    assert mean(0.01) > 0.99 > mean(0.5) > mean(5.0)


@pytest.mark.parametrize(
    ("metric", "message"),
    [((torch.tensor([1.0, -1.0]),), "not positive"), ([torch.ones(2)], "tuple"), ((), "tuple")],
)
def test_bad_metrics_are_refused(metric, message):
    with pytest.raises(UsageError, match=message):
        MALA(0.1, metric=metric)


def test_a_metric_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="shapes"):
        run(MALA(0.1, metric=(torch.ones(3),)), lopsided, start(), steps=1, rng=generator(0))
    with pytest.raises(UsageError, match="shapes"):
        run(HMC(0.1, metric=(torch.ones(2), torch.ones(2))), lopsided, start(), steps=1, rng=generator(0))


def test_zero_temperature_is_refused():
    with pytest.raises(UsageError, match="temperature is 0"):
        MALA(0.1, temperature=0.0)
