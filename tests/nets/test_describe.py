"""The table of a network."""

from __future__ import annotations

import torch

from gibbsian import describe
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
