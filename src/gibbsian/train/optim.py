"""Adam per group, its learning-rate schedule, and the two gradient clips of the field."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .settings import TrainConfig


def make_optimizer(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Fused Adam (decoupled weight decay where asked for) over the module's trainable parameters."""
    params = [p for p in module.parameters() if p.requires_grad]
    betas = (config.beta1, config.beta2)
    if config.weight_decay:
        return torch.optim.AdamW(params, config.lr, betas, weight_decay=config.weight_decay, fused=True)
    return torch.optim.Adam(params, config.lr, betas, fused=True)


def lr_factor(step: float, total: float, config: TrainConfig, warm: float | None = None) -> float:
    """Factor on the learning rate of update `step` (from 0): linear warm-up, flat, cosine to lr_end.

    `warm` is the update that the warm-up counts, where that is another.
    """
    factor = min(1.0, ((step if warm is None else warm) + 1) / config.warmup) if config.warmup else 1.0
    first = total * (1 - config.decay)
    if config.decay and step >= first:
        share = (step - first) / max(total - first, 1)
        factor *= config.lr_end + (1 - config.lr_end) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    return factor


def grad_norm(params: Iterable[Tensor]) -> Tensor:
    """Euclidean norm over all weight gradients, a scalar tensor."""
    grads = [p.grad for p in params if p.grad is not None]
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))


def clip_norm(params: Iterable[Tensor], norm: Tensor, bound: float) -> None:
    """Scale all gradients so that their joint norm is at most `bound`."""
    scale = (bound / (norm + 1e-12)).clamp(max=1.0)
    torch._foreach_mul_([p.grad for p in params if p.grad is not None], scale)


@torch.no_grad()
def clip_moments(optimizer: torch.optim.Optimizer) -> None:
    """Clip each gradient to +-(3 sqrt(v / (1 - beta2^t)) + 0.1), v Adam's second moment before this step.

    Source: the released IGEBM code (Du, Mordatch, 2019). At the first step, before any moment, v = 0.
    """
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is None:
                continue
            state = optimizer.state.get(p, {})
            bound = torch.full_like(p.grad, 0.1)
            if "exp_avg_sq" in state:
                correction = 1 - group["betas"][1] ** float(state["step"])
                bound += 3 * (state["exp_avg_sq"] / correction).sqrt()
            p.grad.copy_(torch.minimum(torch.maximum(p.grad, -bound), bound))
