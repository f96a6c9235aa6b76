"""Chains as T falls, against the mass of each basin by quadrature."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from experiments.grid import Grid
from experiments.variational.anneal import Basins, exact_shares, geometric, sweep
from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.mala import MALA

WELLS = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])


def double_well(x: Tensor) -> Tensor:
    """Wells at about -1 and 1 with a barrier of 1 between them, the left deeper by .3."""
    u, v = x.unbind(1)
    return (u.square() - 1).square() + 0.15 * u + 2 * v.square()


def start(n: int, seed: int = 0) -> Tensor:
    return 4 * torch.rand(n, 2, generator=generator(seed)) - 2


def test_shares_are_those_of_the_density_while_chains_can_cross() -> None:
    """Binomial over 1,500 independent chains: |z| < 4.5 at three temperatures fails once in 50,000 seeds."""
    n, temperatures = 1500, (1.0, 0.6, 0.4)
    basins = Basins(WELLS)
    found = sweep(
        double_well, start(n), temperatures, steps=150, rng=generator(1),
        kernel=partial(MALA, 0.2), basins=basins,
    )  # fmt: skip
    exact = exact_shares(double_well, temperatures, basins, Grid(-4, 4, 200))
    z = (found.shares - exact) / (exact * (1 - exact) / n).sqrt()
    assert float(z.abs().max()) < 4.5
    assert exact[:, 0].tolist() == sorted(exact[:, 0]) and float(exact[-1, 0] - exact[0, 0]) > 0.08


def test_exact_shares_add_up_and_follow_the_depths() -> None:
    """Nearly harmonic wells at small T: odds exp(-gap / T) and the ratio of their widths, here nearly 1."""
    shares = exact_shares(double_well, (1.0, 0.1), Basins(WELLS), Grid(-4, 4, 200))
    torch.testing.assert_close(shares.sum(1), torch.ones(2, dtype=torch.float64))
    odds = float((shares[1, 0] / shares[1, 1]).log())
    assert odds == pytest.approx(0.3 / 0.1, abs=0.1)


def test_slow_cooling_ends_deeper_than_fast() -> None:
    """600 chains each from one even start: a lead of 4.5 standard errors, by luck alone once in 300,000."""
    temperatures, n, kernel = geometric(1.0, 0.1, 6), 600, partial(MALA, 0.25)
    ends = [
        sweep(
            double_well,
            start(n),
            temperatures,
            steps=steps,
            rng=generator(2),
            kernel=kernel,
            basins=Basins(WELLS),
        )
        for steps in (60, 1)
    ]
    slow, fast = (float(e.shares[-1, 0]) for e in ends)
    error = ((slow * (1 - slow) + fast * (1 - fast)) / n) ** 0.5
    assert (slow - fast) / error > 4.5
    assert slow > float(exact_shares(double_well, (1.0,), Basins(WELLS), Grid(-4, 4, 200))[0, 0])
    assert ends[0].energies[-1].mean() < ends[0].energies[0].mean()


def test_legs_follow_one_another_and_everything_is_told() -> None:
    told: list[tuple[int, int]] = []
    found = sweep(
        double_well, start(7), (1.0, 0.5), steps=3, rng=generator(3),
        progress=lambda *numbers: told.append(numbers),
    )  # fmt: skip
    assert found.positions.shape == (2, 7, 2) and found.energies.shape == (2, 7)
    torch.testing.assert_close(found.energies, double_well(found.positions.flatten(0, 1)).reshape(2, 7))
    assert found.acceptance.shape == (2,) and found.shares is None and told == [(1, 2), (2, 2)]
    once = sweep(double_well, start(7), (1.0,), steps=3, rng=generator(3))
    assert torch.equal(once.positions[0], found.positions[0])


def test_any_kernel_will_do() -> None:
    found = sweep(
        double_well, start(5), (1.0, 1e-12), steps=100, rng=generator(4), kernel=partial(Langevin, 0.1)
    )
    assert found.acceptance is None
    _, grad = value_and_grad(double_well, found.positions[-1])
    assert float(grad.abs().max()) < 1e-3  # without noise, in a minimum


def test_basins_run_downhill_rather_than_to_the_nearest() -> None:
    """A steep well near (3, 0) beside a wide one at the origin: the border lies nearer to the steep one."""

    def energy(x: Tensor) -> Tensor:
        far = (x - torch.tensor([3.0, 0.0])).square().sum(1)
        return x.square().sum(1) / 2 - 3 * torch.exp(-2 * far)

    minima, x = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[1.8, 0.0], [2.8, 0.0]])
    assert Basins(minima)(x).tolist() == [1, 1]
    downhill = Basins(minima, energy, descents=200, step_size=0.05)
    assert downhill(x).tolist() == [0, 1] and downhill.shares(x).tolist() == [0.5, 0.5]


def test_what_does_not_fit_is_refused() -> None:
    x, rng = start(2), generator(0)
    with pytest.raises(UsageError, match="a sweep cools"):
        sweep(double_well, x, (1.0, 1.0), steps=1, rng=rng)
    with pytest.raises(UsageError, match="temperature"):
        sweep(double_well, x, (1.0, 0.0), steps=1, rng=rng)
    with pytest.raises(UsageError, match="at least 1 of each"):
        sweep(double_well, x, (), steps=1, rng=rng)
    with pytest.raises(UsageError, match="they must fall"):
        geometric(1.0, 2.0, 3)
    with pytest.raises(UsageError, match="run downhill"):
        Basins(WELLS, descents=3)
    with pytest.raises(UsageError, match="K at least 1"):
        Basins(torch.zeros(2))
