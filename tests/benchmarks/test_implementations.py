"""All implementations do the same arithmetic: one gradient and one draw of noise a step, in one convention.

The peers are tested where they are installed (`benchmarks/setup.sh`).
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.implementations import IMPLEMENTATIONS, Implementation, plain_chains, select
from benchmarks.problems import Chains, chains, updates
from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.nets.settings import ConvConfig, MLPConfig

CPU = torch.device("cpu")
NET = MLPConfig(hidden=(16,), activation="swish")
CONV = ConvConfig(channels=(4, 8), kernels=(5, 3), strides=(2,), pool="flatten", activation="swish")


def _each(*, trains: bool = False) -> list:
    marks = {True: [], False: [pytest.mark.slow]}
    chosen = [c for c in IMPLEMENTATIONS.values() if c.updates or not trains]
    return [pytest.param(c, id=c.name, marks=marks[not c.compiled]) for c in chosen]


each = pytest.mark.parametrize("implementation", _each())
trainer = pytest.mark.parametrize("implementation", _each(trains=True))


def points(number: int = 50, steps: int = 5) -> Chains:
    return chains(NET, (2,), number, steps, 0.2, 0.2**0.5, CPU)


def images() -> Chains:
    return chains(CONV, (1, 12, 12), 4, 4, 0.5, 0.1, CPU)


def ready(implementation: Implementation) -> None:
    if reason := implementation.missing():
        pytest.skip(reason)


def ran(implementation: Implementation, problem: Chains) -> torch.Tensor:
    with seeded_init(generator(1)):
        call = implementation.prepare(problem)
        assert call is not None
        return call().detach()


@each
@pytest.mark.parametrize("build", [points, images])
def test_without_noise_all_end_at_the_same_place(implementation, build):
    ready(implementation)
    cold = replace(build(), temperature=1e-24)
    expected, got = plain_chains(replace(build(), temperature=0.0))(), ran(implementation, cold)
    assert (expected - cold.x0).abs().max() > 1e-3, "the chain went nowhere"
    loose = (
        {"rtol": 2e-2, "atol": 2e-2} if implementation.precision == "bf16" else {"rtol": 1e-4, "atol": 1e-6}
    )
    torch.testing.assert_close(got, expected, **loose)


@each
def test_the_noise_of_a_step_has_variance_step_size_times_temperature(implementation):
    ready(implementation)
    problem = replace(points(number=2000, steps=1), temperature=0.5)
    _, grad = value_and_grad(problem.energy, problem.x0)
    noise = ran(implementation, problem) - problem.x0 + problem.step_size / 2 * grad
    n = noise.numel()
    # 4000 normals: mean and variance within 4.5 standard errors, false alarm 1.4e-5 an implementation
    scale = (problem.step_size * problem.temperature) ** 0.5
    slack = 0.002 if implementation.precision == "bf16" else 0.0
    assert abs(float(noise.mean())) < 4.5 * scale / n**0.5 + slack
    assert abs(float(noise.var()) / scale**2 - 1) < 4.5 * (2 / n) ** 0.5 + slack


@each
def test_a_step_evaluates_the_energy_once(implementation):
    ready(implementation)
    if implementation.compiled:
        pytest.skip("a compiled graph is traced, not called")
    problem, calls = points(steps=7), []
    problem.energy.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    ran(implementation, problem)
    assert calls == [True] * 7


@trainer
def test_an_update_runs_its_chains_and_moves_the_weights(implementation):
    ready(implementation)
    problem = updates(NET, (2,), 6, ChainConfig(5, 0.01, 0.1), 2, CPU, capacity=24)
    net, calls = problem.learner.model.net, []
    before = [p.clone() for p in net.parameters()]
    net.register_forward_hook(lambda *_: calls.append(1))
    with seeded_init(generator(1)):
        call = implementation.prepare(problem)
        assert call is not None and torch.isfinite(call()).all()
    # five gradients, then the two phases in one pass or in two
    assert len(calls) in (2 * 6, 2 * 7)
    moved = [float((p - q).detach().abs().max()) for p, q in zip(net.parameters(), before, strict=True)]
    assert max(moved) <= 2.5 * problem.lr and max(moved) > 0.5 * problem.lr


@each
def test_the_start_is_left_as_it_was(implementation):
    ready(implementation)
    problem = points()
    before = problem.x0.clone()
    ran(implementation, problem)
    assert torch.equal(problem.x0, before)


def test_a_missing_library_says_how_to_get_it():
    gone = replace(IMPLEMENTATIONS["torchebm"], module="no_such_module")
    assert "benchmarks/setup.sh" in gone.missing()
    assert IMPLEMENTATIONS["gibbsian"].missing() == ""


def test_select_names_the_nearest():
    assert [c.name for c in select(["plain", "gibbsian"])] == ["gibbsian", "plain"]
    assert len(select(None)) == len(IMPLEMENTATIONS)
    with pytest.raises(UsageError, match="did you mean 'torchebm'"):
        select(["torcheb"])
