"""The table of a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian import describe
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.settings import ResidualConfig


def test_rows_add_up_to_the_total_and_nothing_changes():
    with seeded_init(generator(0)):
        net = build(ResidualConfig(channels=(4, 4, 8), classes=3, dropout=0.5), (1, 8, 8))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    table = describe(net, (1, 8, 8), torch.tensor([1])).splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in table[1:]]
    assert sum(counts[:-1]) == counts[-1] == sum(p.numel() for p in net.parameters())
    assert table[2].split() == ["stem", "SpectralConv2d", "4x8x8", "36"]
    assert net.training and net.blocks[0].training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())


class Takes(nn.Module):
    """A layer of two outputs, and a label."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.GRU(2, 3, batch_first=True)

    def forward(self, x, y):
        return self.cells(x[:, None])[0].sum((1, 2)) + y


@pytest.mark.parametrize(
    ("net", "shape", "y", "words"),
    [
        (nn.Flatten(), (2, 2), None, "total"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), (2, 2), None, "15"),
        (nn.LazyConv2d(2, 1), (3, 4, 4), None, "2x4x4"),
        (Takes(), (2,), torch.zeros(1), "GRU"),
    ],
)
def test_networks_of_every_kind_are_told(net, shape, y, words):
    stream = torch.get_rng_state()
    assert words in describe(net, shape, y) and torch.equal(torch.get_rng_state(), stream)


@pytest.mark.parametrize(
    ("net", "shape"),
    [(nn.Linear(2, 1), (5,)), (nn.Conv2d(1, 1, 3), (1, 2, 2)), (Takes(), (2,)), (nn.Bilinear(2, 2, 1), (2,))],
)
def test_what_cannot_be_called_is_one_line(net, shape):
    with pytest.raises(UsageError, match="cannot be called on .*event_shape is that of one datum") as error:
        describe(net, shape)
    assert "\n" not in str(error.value)
