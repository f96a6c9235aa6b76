"""Learning-rate schedule and gradient clips, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gibbsian.train.optim import clip_moments, clip_norm, grad_norm, lr_factor, make_optimizer
from gibbsian.train.settings import TrainConfig


def test_lr_factor_at_its_corners() -> None:
    config = TrainConfig(warmup=10, decay=0.5, lr_end=0.1)
    at = {step: lr_factor(step, 100, config) for step in (0, 4, 9, 30, 50, 75, 100, 200)}
    wanted = {0: 0.1, 4: 0.5, 9: 1.0, 30: 1.0, 50: 1.0, 75: 0.55, 100: 0.1, 200: 0.1}
    assert at == pytest.approx(wanted)


def test_lr_is_constant_by_default_and_falls_monotonically_when_asked() -> None:
    assert {lr_factor(k, 50, TrainConfig()) for k in range(60)} == {1.0}
    falling = [lr_factor(k, 50, TrainConfig(decay=1.0)) for k in range(51)]
    assert (
        falling[0] == 1.0 and falling[-1] == pytest.approx(0.0) and falling == sorted(falling, reverse=True)
    )
    assert lr_factor(0, 0, TrainConfig(decay=1.0)) == 1.0


def test_clip_moments_against_a_reference() -> None:
    """Adam's second moment written out in NumPy, four steps, with gradients that must be clipped."""
    rng = np.random.default_rng(0)
    layer = nn.Linear(3, 2, bias=False)
    optimizer = make_optimizer(layer, TrainConfig(beta1=0.0, beta2=0.9))
    v = np.zeros((2, 3))
    clipped = 0
    for t in range(4):
        grad = rng.normal(size=(2, 3)) * 10.0**t
        bound = 0.1 + 3 * np.sqrt(v / (1 - 0.9**t) if t else v)
        wanted = np.clip(grad, -bound, bound)
        clipped += int((wanted != grad).sum())
        layer.weight.grad = torch.tensor(grad, dtype=torch.float32)
        clip_moments(optimizer)
        np.testing.assert_allclose(layer.weight.grad.numpy(), wanted, rtol=1e-5)
        optimizer.step()
        v = 0.9 * v + 0.1 * wanted**2
    assert clipped > 4


def test_clip_moments_skips_what_has_no_gradient() -> None:
    clip_moments(make_optimizer(nn.Linear(2, 2), TrainConfig()))


def test_norm_and_clip_agree_with_torch() -> None:
    layers = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    layers[1].load_state_dict(layers[0].state_dict())
    for bound in (1e-3, 1e3):
        for net in layers:
            net.zero_grad()
            net(torch.ones(5, 3)).square().sum().backward()
        norm = grad_norm(layers[0].parameters())
        clip_norm(layers[0].parameters(), norm, bound)
        wanted = nn.utils.clip_grad_norm_(layers[1].parameters(), bound)
        torch.testing.assert_close(norm, wanted)
        for p, q in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-9)


def test_frozen_weights_are_left_to_themselves() -> None:
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    optimizer = make_optimizer(net, TrainConfig())
    assert sum(len(g["params"]) for g in optimizer.param_groups) == 1


def test_weight_decay_is_decoupled() -> None:
    net = nn.Linear(2, 2, bias=False)
    before = net.weight.detach().clone()
    optimizer = make_optimizer(net, TrainConfig(lr=0.1, weight_decay=0.5))
    net.weight.grad = torch.zeros_like(net.weight)
    optimizer.step()
    torch.testing.assert_close(net.weight.detach(), before * (1 - 0.1 * 0.5))
