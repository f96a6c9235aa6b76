"""The loop: what is kept, what is refused, what is differentiated, what it costs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.position import finite
from gibbsian.core.random import generator
from gibbsian.mcmc import MALA, Langevin, run


def bowl(x: Tensor) -> Tensor:
    return (x**2 / 2).flatten(1).sum(1)


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(1), dtype=torch.float64)


def test_thin_keeps_every_kth_position_and_its_energy():
    seen = []
    chain = run(
        MALA(0.5), bowl, start(4, 2), steps=7, rng=generator(0), thin=3,
        observe=lambda k, state, info: seen.append((k, state.position)),
    )  # fmt: skip
    assert [k for k, _ in seen] == list(range(7))
    assert torch.equal(chain.trace, torch.stack([seen[2][1], seen[5][1]]))
    torch.testing.assert_close(chain.energies, torch.stack([bowl(x) for x in chain.trace]))


def test_nothing_is_kept_unless_asked_for():
    chain = run(Langevin(0.1), bowl, start(4, 2), steps=5, rng=generator(0))
    assert chain.trace is None and chain.energies is None
    assert run(Langevin(0.1), bowl, start(4, 2), steps=5, rng=generator(0), thin=6).trace is None
    assert run(Langevin(0.1), bowl, start(4, 2), steps=5, rng=generator(0), thin=5).energies is None


def test_no_steps_give_the_start():
    x = start(4, 2)
    chain = run(Langevin(0.1), bowl, x, steps=0, rng=generator(0))
    assert torch.equal(chain.position, x) and torch.equal(chain.energy, bowl(x))
    assert chain.info.steps == chain.info.gradients == 0 and not chain.info.divergent.any()


def test_progress_hears_of_every_step():
    calls = []
    run(
        Langevin(0.1), bowl, start(2, 1), steps=3, rng=generator(0),
        progress=lambda done, steps: calls.append((done, steps)),
    )  # fmt: skip
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_summary_is_the_mean_of_the_reports():
    infos = []
    kernel = Langevin(0.3, noise_first=True, clamp=(-1.0, 1.0))
    chain = run(
        kernel, bowl, start(6, 2), steps=5, rng=generator(0), observe=lambda k, s, info: infos.append(info)
    )
    drift, noise = (torch.stack([getattr(i, n) for i in infos]) for n in ("drift", "noise"))
    torch.testing.assert_close(chain.info.drift_noise, drift.mean() / noise.mean())
    torch.testing.assert_close(chain.info.saturated, torch.stack([i.saturated for i in infos]).mean())
    infos = []
    chain = run(
        MALA(0.9), bowl, start(6, 2), steps=5, rng=generator(0), observe=lambda k, s, info: infos.append(info)
    )
    torch.testing.assert_close(chain.info.acceptance, torch.stack([i.acceptance for i in infos]).mean(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"thin": -2}, "thin is -2"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"differentiable": True}, "'last', 'all'"),
        ({"x": torch.zeros(3, 2, dtype=torch.uint8)}, "torch.uint8"),
        ({"x": torch.zeros(3)}, "one dimension"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"x": start(3, 2), "steps": 2, "rng": generator(0)} | change
    with pytest.raises(UsageError, match=message):
        run(Langevin(0.1), bowl, **arguments)


def test_a_state_without_gradient_is_refused_by_a_caching_kernel():
    state = run(Langevin(0.1), bowl, start(3, 2), steps=1, rng=generator(0)).state
    with pytest.raises(UsageError, match="init"):
        run(MALA(0.1), bowl, state, steps=1, rng=generator(0))


class Quartic(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (self.a * x**4 / 4).sum(1)


def test_last_step_gradient_is_that_of_the_last_step_alone():
    """d x_K / d a through the last step only: -(s/2) x_{K-1}^3 (Du et al. 2021, improved CD)."""
    energy, s = Quartic(), 0.1
    before = run(Langevin(s), energy, start(5, 2), steps=2, rng=generator(0)).position
    chain = run(Langevin(s), energy, start(5, 2), steps=3, rng=generator(0), differentiable="last")
    chain.position.sum().backward()
    torch.testing.assert_close(energy.a.grad, (-s / 2 * before**3).sum())


def test_all_steps_gradient_is_that_of_the_whole_chain():
    """Against a hand-written recursion of d x / d a and d x / d x0."""
    energy, s, x0 = Quartic(), 0.1, start(5, 2).requires_grad_()
    path = run(Langevin(s), energy, x0, steps=3, rng=generator(0), thin=1).trace
    chain = run(Langevin(s), energy, x0, steps=3, rng=generator(0), differentiable="all")
    assert torch.equal(chain.position.detach(), path[-1])
    chain.position.sum().backward()
    a, da, dx = energy.a.detach(), torch.zeros(5, 2), torch.ones(5, 2)
    for x in (x0.detach(), path[0], path[1]):
        slope = 1 - s / 2 * 3 * a * x**2
        da, dx = slope * da - s / 2 * x**3, slope * dx
    torch.testing.assert_close(energy.a.grad, da.sum())
    torch.testing.assert_close(x0.grad, dx)


def test_a_clamp_stops_the_gradient_where_it_binds():
    energy = Quartic()
    kernel = Langevin(0.5, clamp=(-0.5, 0.5))
    x = 3 * start(200, 1)
    chain = run(kernel, energy, x, steps=1, rng=generator(0), differentiable="last")
    slopes = torch.stack(
        [torch.autograd.grad(v, energy.a, retain_graph=True)[0] for v in chain.position[:, 0]]
    )
    bound = chain.position.detach()[:, 0].abs() == 0.5
    assert 0 < bound.sum() < 200 and (slopes[bound] == 0).all() and (slopes[~bound] != 0).all()


def test_graphs_work_where_gradients_are_off_around_the_call():
    with torch.no_grad():
        chain = run(Langevin(0.1), Quartic(), start(2, 1), steps=2, rng=generator(0), differentiable="all")
    assert chain.position.requires_grad


def test_no_graph_grows_along_a_plain_chain():
    energy = Quartic()
    states = []
    run(Langevin(0.1), energy, start(2, 1).requires_grad_(), steps=4, rng=generator(0),
        observe=lambda k, state, info: states.append(state.position))  # fmt: skip
    assert all(x.grad_fn is None and not x.requires_grad for x in states)


def test_finiteness_is_told_chain_by_chain():
    """`core.position.finite`, on which every divergence flag rests."""
    bad = torch.tensor([0.0, float("nan"), float("inf"), -float("inf"), 3e38])
    x = torch.zeros(5, 2)
    x[:, 1] = bad
    expected = [True, False, False, False, True]
    assert finite(x).tolist() == finite((torch.zeros(5, 1), x)).tolist() == expected
