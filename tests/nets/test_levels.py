"""The residual net that is told a noise level: blocks start as their shortcut, and can learn from there."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.layers import activation
from gibbsian.nets.levels import LevelBlock, LevelNet
from gibbsian.nets.settings import LevelsConfig


def block(outputs: int, *, down: bool = False) -> LevelBlock:
    with seeded_init(generator(0)):
        return LevelBlock(6, outputs, 5, activation("leaky_relu"), down=down)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("outputs", [6, 8])
def test_a_block_starts_as_its_shortcut(outputs: int, down: bool) -> None:
    b = block(outputs, down=down).eval()
    h, c = torch.randn(4, 6, 8, 8, generator=generator(1)), torch.randn(4, 5, generator=generator(2))
    skip = b.shortcut(h)
    torch.testing.assert_close(b(h, c), F.avg_pool2d(skip, 2) if down else skip, rtol=0, atol=1e-6)


def test_one_update_opens_a_block() -> None:
    """A kernel near 0 takes a whole step of Adam; a gain near 0 would open by one rate for each map only."""
    b = block(6)
    h, c = torch.randn(8, 6, 8, 8, generator=generator(1)), torch.randn(8, 5, generator=generator(2))
    optimizer = torch.optim.Adam(b.parameters(), 1e-3)
    (b(h, c) * torch.randn(8, 6, 8, 8, generator=generator(3))).sum().backward()
    optimizer.step()
    b.eval()
    assert float((b(h, c) - h).detach().std()) > 3e-3


def test_the_level_tells() -> None:
    with seeded_init(generator(0)):
        net = LevelNet((1, 8, 8), LevelsConfig(channels=(4, 4), classes=3))
    x = torch.randn(2, 1, 8, 8, generator=generator(1))
    apart = net(x, torch.tensor([0, 0])) - net(x, torch.tensor([2, 2]))
    assert float(apart.detach().abs().min()) > 1e-3
