import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import GaussianReference, Interacting
from gibbsian.mcmc import Langevin, run


def test_two_points_by_hand() -> None:
    x = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]], dtype=torch.float64)
    found = Interacting(GaussianReference(1.0), strength=2.0, width=5.0)(x)
    torch.testing.assert_close(found, torch.tensor([12.5 + 2 * torch.tensor(-0.5).exp()]).double())


def test_pairs_are_counted_once_and_order_does_not_matter() -> None:
    x = torch.randn((3, 4, 2), generator=generator(0), dtype=torch.float64)
    energy = Interacting(lambda a: 0 * a.sum(1), strength=1.0, width=1e6)
    torch.testing.assert_close(energy(x), torch.full((3,), 6.0, dtype=torch.float64))
    energy = Interacting(GaussianReference(1.0), strength=1.0, width=0.7)
    torch.testing.assert_close(energy(x), energy(x.flip(1)))


def test_repulsion_spreads_the_samples_of_a_group() -> None:
    # Two wells at -1 and 1. Groups of two start in one well: alone they are together in half of the cases.
    def wells(x):
        return 4 * (x[:, 0].square() - 1).square() + x[:, 1].square() / 2

    shares = []
    for strength in (0.0, 4.0):
        start = torch.tensor([1.0, 0.0]).expand(500, 2, 2).clone()
        energy = Interacting(wells, strength=strength, width=1.0)
        end = run(Langevin(0.05), energy, start, steps=300, rng=generator(0)).position
        shares.append(float((end[:, 0, 0] * end[:, 1, 0] < 0).float().mean()))
    # False alarm of a difference of .1 between two shares of 500 near .5: below 1e-3.
    assert shares[1] > shares[0] + 0.1


def test_bad_values_are_refused() -> None:
    with pytest.raises(UsageError, match="strength"):
        Interacting(GaussianReference(1.0), strength=-1.0, width=1.0)
    with pytest.raises(UsageError, match="groups of samples"):
        Interacting(GaussianReference(1.0), strength=1.0, width=1.0)(torch.zeros(3, 2))
