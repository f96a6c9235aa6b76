"""HMC: its ratio, its count of leapfrogs, its order, and the slips of published code."""

from __future__ import annotations

import pytest
import torch
from targets import Bounded
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc import HMC, run
from gibbsian.mcmc.leapfrog import hamiltonian, leapfrog

F64 = torch.float64


def lopsided(x: Tensor) -> Tensor:
    return (x.exp() - x + 0.3 * x**2).flatten(1).sum(1)


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(1), dtype=F64)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_acceptance_compares_with_the_refreshed_velocity(temperature):
    """H(x, v) takes v as drawn, before the trajectory overwrites it (slip of a reduce-reuse-recycle port)."""
    kernel, x = HMC(0.5, leapfrogs=4, temperature=temperature), start(40, 2)
    old = kernel.init(lopsided, x)
    _, info = kernel.step(lopsided, old, generator(0))
    v = temperature**0.5 * torch.randn(x.shape, generator=generator(0), dtype=F64)
    new, v_new = leapfrog(lopsided, old, v, 0.5, 4)
    change = (hamiltonian(old, v) - hamiltonian(new, v_new)) / temperature
    torch.testing.assert_close(info.acceptance, change.exp().clamp(max=1))
    assert info.acceptance.min() < 0.9


@pytest.mark.parametrize("leapfrogs", [1, 2, 7])
def test_the_number_of_leapfrogs_is_obeyed(leapfrogs):
    """GEBM's code fixes it to 2. The end of an accepted trajectory tells: its gradients are counted."""
    calls = []

    def counting(x: Tensor) -> Tensor:
        calls.append(1)
        return lopsided(x)

    chain = run(
        HMC(0.05, leapfrogs=leapfrogs), counting, start(5, 2), steps=3, rng=generator(0), replay=False
    )
    assert len(calls) == chain.info.gradients == 1 + 3 * leapfrogs


def test_kinetic_energy_sums_over_all_event_dimensions():
    """(4, 3, 8, 8) crashes a peer; here it is the flat chain reshaped."""
    x = start(4, 3, 8, 8)
    image = run(HMC(0.1), lopsided, x, steps=2, rng=generator(0))
    flat = run(HMC(0.1), lopsided, x.flatten(1), steps=2, rng=generator(0))
    torch.testing.assert_close(image.position.flatten(1), flat.position)
    torch.testing.assert_close(image.info.acceptance, flat.info.acceptance)


def test_rejection_falls_with_the_square_of_the_step():
    """At fixed length, from the target (a normal), 1 - acceptance is proportional to h^2.

    Same draws at both steps; the ratio 4 is met within a few per cent by 20,000 chains.
    """
    x = start(20_000, 5)

    def rejection(h: float, leapfrogs: int) -> float:
        chain = run(HMC(h, leapfrogs), lambda x: (x**2 / 2).sum(1), x, steps=1, rng=generator(0))
        return float(1 - chain.info.acceptance.mean())

    ratio = rejection(0.2, 6) / rejection(0.1, 12)
    assert ratio == pytest.approx(4, rel=0.1)
    assert rejection(0.01, 10) < 1e-4


def test_no_chain_is_repaired_to_zero():
    """A trajectory that turns NaN is a rejection: the chain stays where it was, and is counted."""
    target = Bounded(dtype=F64)
    x = target.draw(2_000, generator(2))
    chain = run(HMC(0.8, leapfrogs=5), target, x, steps=1, rng=generator(0))
    assert 20 < chain.info.divergent.sum() < 2_000
    assert torch.equal(chain.position[chain.info.divergent], x[chain.info.divergent])
    assert not (chain.position == 0).any()


def test_jitter_spreads_the_step_of_each_chain():
    x = torch.zeros(2_000, 1, dtype=F64)
    flat = run(HMC(1.0, leapfrogs=1, jitter=0.5), lambda x: x[:, 0] * 0, x, steps=1, rng=generator(0))
    v = torch.randn(x.shape, generator=generator(0), dtype=F64)
    h = (flat.position / v)[:, 0]
    assert h.min() > 0.5 and h.max() < 1.5
    # Uniform on (.5, 1.5): mean 1 +- 4.5 standard errors (false alarm 7e-6).
    assert abs(h.mean() - 1) < 4.5 * (1 / 12 / 2_000) ** 0.5 and h.std() == pytest.approx(12**-0.5, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leapfrogs": 0}, "leapfrogs is 0"),
        ({"leapfrogs": 2.5}, "leapfrogs is 2.5"),
        ({"jitter": 1.0}, "jitter is 1"),
    ],
)
def test_options_are_validated(options, message):
    with pytest.raises(UsageError, match=message):
        HMC(0.1, **options)
