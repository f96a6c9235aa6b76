"""The HMC section: targets written twice agree, judgements catch a wrong sampler, the record is complete."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import hmc, hmc_samplers
from benchmarks.hmc_targets import funnel, gaussian, mixture, problems
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator

SMALL = gaussian(3, 10.0)
BY_NAME = pytest.mark.parametrize("problem", problems(), ids=lambda p: p.name)


def quick(**changes) -> hmc.Settings:
    options = {"problems": (SMALL,), "draws": {8: 40}, "warmup": 20, "compiled": False, **changes}
    return hmc.Settings(**options)


def silent(line: str) -> None:
    pass


@BY_NAME
def test_the_energy_is_that_of_the_exact_target(problem):
    """Up to a constant: a wrong scale or sign in the benchmark's own formula shows here."""
    x = problem.start(200)
    gap = problem.energy(x).double() - problem.exact(x.double())
    assert problem.energy(x).shape == (200,) and problem.energy(x).dtype == torch.float32
    assert gap.std() < 1e-3 * problem.energy(x).std()


@BY_NAME
def test_ranks_of_exact_draws_are_uniform(problem):
    """Kolmogorov: sqrt(n) times the distance exceeds 2.8 with probability 3e-7, for each of 112 marginals."""
    n = 4_000
    u = problem.ranks(problem.exact.draw(n, generator(5))).sort(0).values
    grid = (torch.arange(n, dtype=u.dtype) + 0.5) / n
    assert (u - grid[:, None]).abs().max() * n**0.5 < 2.8


@BY_NAME
def test_jax_has_the_same_density_and_gradient(problem):
    jax = pytest.importorskip("jax")
    x = problem.start(5)
    density = problem.twin()
    inside = x.clone().requires_grad_()
    problem.energy(inside).sum().backward()
    for row, energy, grad in zip(x, problem.energy(x), inside.grad, strict=True):
        value, slope = jax.value_and_grad(density)(row.numpy())
        assert float(value) == pytest.approx(-float(energy), rel=1e-4, abs=1e-4)
        scale = float(grad.abs().max())
        torch.testing.assert_close(-torch.tensor(slope.tolist()), grad, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("problem", [SMALL, funnel(4), mixture()], ids=lambda p: p.name)
def test_independent_exact_draws_are_worth_their_number(problem):
    draws, chains = 200, 16
    x = problem.exact.draw(draws * chains, generator(2)).reshape(draws, chains, -1)
    found = hmc.judged(problem, x)
    assert found["ess"] == pytest.approx(draws * chains, rel=0.2)
    assert found["rhat"] < 1.02 and found["error"] < 4 / (draws * chains) ** 0.5
    # 4 to 8 z-scores: beyond 4.5 with probability 5e-5.
    assert found["max_z"] < 4.5 and 0.2 < found["rms_z"] < 2.2


def test_a_shift_or_a_wrong_scale_is_seen():
    x = SMALL.exact.draw(3_200, generator(2)).reshape(200, 16, -1)
    assert hmc.judged(SMALL, x + 0.3 * SMALL.exact.var.sqrt())["max_z"] > 6
    assert hmc.judged(SMALL, 1.2 * x)["max_z"] > 6


def test_our_tuned_sampler_is_right():
    start = SMALL.start(64)
    sampler = hmc_samplers.ours(SMALL, start, 150, 100, compiled=False)["gibbsian"]
    positions, acceptance = sampler.read(sampler.sample(1))
    found = hmc.judged(SMALL, positions)
    assert positions.shape == (150, 64, 3) and acceptance == pytest.approx(0.8, abs=0.1)
    # 6 z-scores: beyond 4.5 with probability 4e-5.
    assert found["max_z"] < 4.5 and found["ess"] > 1_000


def test_blackjax_is_right_and_repeats_itself():
    pytest.importorskip("blackjax")
    start = SMALL.start(64)
    sampler = hmc_samplers.blackjax(SMALL, start, 150, 100)
    positions, acceptance = sampler.read(sampler.sample(1))
    again, _ = sampler.read(sampler.sample(1))
    assert positions.shape == (150, 64, 3) and 0.5 < acceptance <= 1
    assert positions.dtype == torch.float32 and torch.equal(positions, again)
    assert hmc.judged(SMALL, positions)["max_z"] < 4.5


def test_a_record_becomes_a_table_and_a_picture(tmp_path):
    told: list[str] = []
    before = torch.get_rng_state()
    result = json.loads(json.dumps(hmc.measure(rounds=2, notify=told.append, settings=quick())))
    assert torch.equal(before, torch.get_rng_state())
    (case,) = result["cases"].values()
    ours = case["samplers"]["gibbsian"]
    assert all(len(ours[k]) == 2 for k in ("seconds", "ess", "rhat", "error", "rms_z", "acceptance"))
    assert ours["ess"][0] != ours["ess"][1]
    text = hmc.table(result)
    assert "gaussian, 8 chains" in text and "ESS/s" in text and "\n# " not in text
    assert ("blackjax** was not measured" in text) == bool(hmc_samplers.missing())
    hmc.plot(result, tmp_path / "hmc.png")
    assert (tmp_path / "hmc.png").stat().st_size > 1_000
    assert any("round 2 of 2" in line for line in told)


def test_without_blackjax_ours_is_measured_all_the_same(monkeypatch):
    monkeypatch.setattr(hmc, "missing", lambda: "blackjax not installed")
    result = hmc.measure(rounds=1, notify=silent, settings=quick())
    (case,) = result["cases"].values()
    assert set(case["samplers"]) == {"gibbsian"}
    assert "was not measured: blackjax not installed" in hmc.table(result)


@pytest.mark.parametrize(
    ("changes", "message"), [({"warmup": 5}, "warmup is 5"), ({"draws": {4: 2}}, "at least 20 to tune")]
)
def test_settings_are_validated(changes, message):
    with pytest.raises(UsageError, match=message):
        quick(**changes)
    with pytest.raises(UsageError, match="rounds is 0"):
        hmc.measure(rounds=0, notify=silent, settings=quick())
