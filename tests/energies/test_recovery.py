import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.random import generator
from gibbsian.energies import PullBack, Recovery, Tempered, Tether

X = torch.randn((4, 3), generator=generator(0), dtype=torch.float64)
CENTRE = torch.randn((4, 3), generator=generator(1), dtype=torch.float64)


def bowl(y, t):
    return (1 + t) * y.pow(4).sum(1)


def test_it_is_a_tempered_energy_with_a_tether_on_y_not_on_x() -> None:
    a, sigma, b2 = 0.8, 0.3, 0.05
    found = Recovery(bowl, 2, CENTRE, temperature=b2, precision=sigma**-2, scale=a)
    by_hand = bowl(a * X, torch.tensor(2)) / b2 + (CENTRE - a * X).square().sum(1) / (2 * sigma**2)
    torch.testing.assert_close(found(X), by_hand)
    parts = Tempered(lambda y: bowl(y, 2), b2), Tether(CENTRE, sigma)
    pulled = [PullBack(part, lambda x: a * x, prior=False)(X) for part in parts]
    torch.testing.assert_close(found(X), pulled[0] + pulled[1])


def test_no_precision_is_no_tether() -> None:
    free = Recovery(bowl, 5, CENTRE, temperature=0.1, precision=0.0)
    torch.testing.assert_close(free(X), bowl(X, 5) / 0.1)
    assert value_and_grad(free, X)[1].equal(value_and_grad(free, X)[1])


def test_rows_of_mixed_levels_are_each_their_own() -> None:
    level, numbers = torch.tensor([0, 3, 1, 2]), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    mixed = Recovery(bowl, level, CENTRE, numbers, precision=1 / numbers, scale=2 * numbers)
    for i in range(4):
        n = float(numbers[i])
        one = Recovery(bowl, int(level[i]), CENTRE[i : i + 1], n, precision=1 / n, scale=2 * n)
        torch.testing.assert_close(mixed(X)[i : i + 1], one(X[i : i + 1]))


def test_the_unit_of_the_chain_scales_its_gradient() -> None:
    unit = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    plain = Recovery(bowl, 1, CENTRE, 0.2, precision=3.0)
    scaled = Recovery(bowl, 1, CENTRE, 0.2, precision=3.0, scale=unit)
    moved = X / unit[:, None]
    torch.testing.assert_close(scaled(moved), plain(X))
    torch.testing.assert_close(value_and_grad(scaled, moved)[1], unit[:, None] * value_and_grad(plain, X)[1])


def test_a_centre_of_another_batch_is_refused() -> None:
    with pytest.raises(Exception, match="centre has shape"):
        Recovery(bowl, 0, CENTRE[:3], 1.0, precision=1.0)(X)
