"""Chain diagnostics against arviz-stats, and against what is known of AR(1) chains."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.metrics.chains import autocorrelation_time, drift, ess, mcse_mean, rhat, switch_rate


def ar1(chains: int, draws: int, phi: float, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Stationary AR(1) chains with variance 1, the first one moved by `shift`."""
    rng = np.random.default_rng(seed)
    x = np.empty((chains, draws))
    x[:, 0] = rng.standard_normal(chains)
    for t in range(1, draws):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * rng.standard_normal(chains)
    x[0] += shift
    return x


CASES = {
    "independent": ar1(4, 500, 0.0),
    "slow": ar1(4, 500, 0.95),
    "antithetic": ar1(4, 500, -0.6),
    "odd": ar1(3, 301, 0.5),
    "one_chain": ar1(1, 400, 0.7),
    "apart": ar1(4, 200, 0.5, shift=3.0),
    "short": ar1(2, 9, 0.3),
    "tiny": ar1(2, 4, 0.0),
    "skewed": np.exp(2 * ar1(4, 300, 0.8)),
    "ties": np.round(2 * ar1(4, 300, 0.6)),
    "unequal_scale": ar1(4, 300, 0.2) * np.array([[1], [1], [1], [4]]),
}


@pytest.fixture(scope="module")
def array_stats():
    """arviz-stats, which needs Python 3.11."""
    return pytest.importorskip("arviz_stats.base").array_stats


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", ["bulk", "mean", "tail"])
def test_ess_is_that_of_arviz(name, method, array_stats):
    prob = (0.05, 0.95) if method == "tail" else None
    want = array_stats.ess(CASES[name], chain_axis=0, draw_axis=1, method=method, prob=prob)
    assert float(ess(torch.tensor(CASES[name]), method)) == pytest.approx(float(want), rel=1e-9)


@pytest.mark.parametrize("name", [n for n in CASES if n != "one_chain"])
def test_rhat_is_that_of_arviz(name, array_stats):
    want = array_stats.rhat(CASES[name], chain_axis=0, draw_axis=1, method="rank")
    assert float(rhat(torch.tensor(CASES[name]))) == pytest.approx(float(want), rel=1e-9)


@pytest.mark.parametrize("name", ["slow", "odd", "skewed"])
def test_mcse_is_that_of_arviz(name, array_stats):
    want = array_stats.mcse(CASES[name], chain_axis=0, draw_axis=1, method="mean")
    assert float(mcse_mean(torch.tensor(CASES[name]))) == pytest.approx(float(want), rel=1e-9)


def test_quantities_are_taken_one_by_one():
    both = np.stack([CASES["slow"], CASES["antithetic"]], axis=2).reshape(4, 500, 2, 1)
    for measure in (ess, rhat, mcse_mean):
        apart = [float(measure(torch.tensor(CASES[name]))) for name in ("slow", "antithetic")]
        together = measure(torch.tensor(both))
        assert together.shape == (2, 1)
        torch.testing.assert_close(together.flatten(), torch.tensor(apart, dtype=torch.float64))


def test_ess_of_ar1_is_near_its_closed_form():
    # n (1 - phi) / (1 + phi); the estimate's deviation is below 5 % here, false alarm below 1e-3
    phi = 0.8
    x = torch.tensor(ar1(20, 5000, phi, seed=3))
    assert float(ess(x, "mean")) == pytest.approx(100_000 * (1 - phi) / (1 + phi), rel=0.2)


def test_a_quantity_that_never_moves_has_no_effective_size():
    assert torch.isnan(ess(torch.ones(4, 100)))


def test_drift_is_standard_normal_when_stationary_and_large_when_not():
    # 200 independent z-scores: |mean| < 5 / sqrt(200), deviation within 25 %; false alarm below 1e-5
    x = torch.tensor(np.stack([ar1(4, 400, 0.3, seed=s) for s in range(200)], axis=2))
    z = drift(x)
    assert z.shape == (200,)
    assert abs(float(z.mean())) < 5 / 200**0.5
    assert 0.75 < float(z.std()) < 1.25
    moving = x + torch.linspace(0, 1, 400)[None, :, None]
    assert float(drift(moving).max()) < -3


def test_bad_chains_are_refused():
    with pytest.raises(UsageError, match="at least 4 draws"):
        ess(torch.zeros(4, 3))
    with pytest.raises(UsageError, match="not finite"):
        ess(torch.full((2, 10), torch.nan))
    with pytest.raises(UsageError, match="at least 2"):
        rhat(torch.randn(1, 10, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(UsageError, match="choose from bulk"):
        ess(torch.zeros(4, 30), "median")
    with pytest.raises(UsageError, match="add up"):
        drift(torch.zeros(4, 30), first=0.6, last=0.6)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_an_ar1(phi):
    found = float(autocorrelation_time(torch.tensor(ar1(8, 20_000, phi))))
    assert found == pytest.approx((1 + phi) / (1 - phi), rel=0.1)


def test_switches_of_a_chain_of_two_states():
    flips = torch.rand(20, 5000, generator=torch.Generator().manual_seed(0)) < 0.2
    assert switch_rate(flips.long().cumsum(1) % 2) == pytest.approx(0.2, abs=0.01)
    assert switch_rate(torch.ones(3, 5).long()) == 0.0
    with pytest.raises(UsageError, match="modes have shape"):
        switch_rate(torch.zeros(4))
