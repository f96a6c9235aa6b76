import torch

from gibbsian.energies import Given, Product, Tether, rows
from gibbsian.energies.context import Rowed, take


def test_a_callable_without_rows_is_returned_as_it_is():
    def energy(x):
        return x.square().sum(1)

    assert rows(energy, slice(0, 1)) is energy
    network = torch.nn.Linear(2, 1)
    assert rows(network, torch.tensor([0])) is network


def test_only_context_with_more_than_one_row_is_cut():
    index = torch.tensor([2, 0])
    assert take(3, index) == 3
    shared = torch.ones(1, 4)
    assert take(shared, index) is shared
    assert take(torch.arange(3), index).tolist() == [2, 0]
    cut, kept = take((torch.arange(3), shared), index)
    assert cut.tolist() == [2, 0] and kept is shared


def test_rows_reach_through_nested_energies_to_a_network_with_context():
    class Masked:
        def __init__(self, mask):
            self.mask = mask

        def __call__(self, x, y):
            return (self.mask * x).sum(1) + y

        def rows(self, index):
            return Masked(self.mask[index])

    x, y = torch.arange(6.0).reshape(3, 2), torch.tensor([1, 2, 3])
    energy = Product([Given(Masked(torch.eye(3, 2)), y), Tether(x.flip(0), 1.0)])
    assert isinstance(energy, Rowed)
    index = torch.tensor([2, 1])
    torch.testing.assert_close(rows(energy, index)(x[index]), energy(x)[index])
