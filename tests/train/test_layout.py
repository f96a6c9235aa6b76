"""Weights whose memory lies channels last, and the moments of their optimiser, through a checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.settings import ConvConfig
from gibbsian.train import checkpoint
from gibbsian.train.optim import make_optimizer
from gibbsian.train.settings import TrainConfig


def network() -> nn.Module:
    with seeded_init(generator(0)):
        return build(ConvConfig(channels=(3, 4)), (2, 6, 6))


def update(net: nn.Module, optimizer: torch.optim.Optimizer, k: int) -> None:
    optimizer.zero_grad()
    net(torch.randn(5, 2, 6, 6, generator=generator(k))).square().sum().backward()
    optimizer.step()


def test_built_convolutions_lie_channels_last() -> None:
    kernels = [p for p in network().parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert kernels and all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


def test_moments_reloaded_from_plain_memory_serve_weights_in_another_layout() -> None:
    """Fused Adam walks weight and moment in memory order and checks nothing: moments must be re-laid."""
    straight, stopped = network(), network()
    optimizer = make_optimizer(straight, TrainConfig(lr=0.1))
    for k in range(4):
        update(straight, optimizer, k)
    before = make_optimizer(stopped, TrainConfig(lr=0.1))
    for k in range(2):
        update(stopped, before, k)
    tree = checkpoint.optimizer_tree(before)
    moments = {i: {k: v.contiguous().clone() for k, v in m.items()} for i, m in tree["moments"].items()}
    after = make_optimizer(stopped, TrainConfig(lr=0.1))
    checkpoint.load_optimizer(after, {**tree, "moments": moments})
    for k in range(2, 4):
        update(stopped, after, k)
    for a, b in zip(straight.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(a, b)
