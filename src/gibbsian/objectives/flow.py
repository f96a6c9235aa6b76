"""Learning a potential by the flow that it drives: pairs of noise and data, straight lines between them.

    x_t = (1 - t) x_0 + t x_1,    x_0 noise, x_1 data, t ~ U(0, 1)
    loss = mean |grad V(x_t) + x_1 - x_0|^2 / D                   velocity -grad V

Pairs are coupled by optimal transport within the batch, which straightens the lines and makes the velocity
nearer to a gradient field (A. Tong et al., TMLR 2024, arXiv 2302.00482; M. Balcerak et al., 2025, arXiv
2504.10612, eq. 8).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError, require_positive
from ..core.position import expand
from ..core.records import Loss

ROUNDS = 100


def flow_loss(energy: Energy, x_0: Tensor, x_1: Tensor, t: Tensor) -> Loss:
    """Squared error of the velocity -grad V at x_t, mean over rows and coordinates, with a graph.

    Args:
        energy: V.
        x_0, x_1: noise and data `(B, *event)`.
        t: times `(B,)` in [0, 1].

    Raises:
        UsageError: for tensors of different shapes.
    """
    if x_0.shape != x_1.shape or t.shape != x_0.shape[:1]:
        raise UsageError(f"flow from {tuple(x_0.shape)} to {tuple(x_1.shape)} at {tuple(t.shape)} times")
    share = expand(t, x_0)
    grad = value_and_grad(energy, (1 - share) * x_0 + share * x_1, differentiable=True)[1]
    assert isinstance(grad, Tensor)
    loss = (grad + x_1 - x_0).square().mean()
    return Loss(loss, {"flow": loss.detach()})


@torch.no_grad()
def transported(x_0: Tensor, x_1: Tensor, rng: torch.Generator, *, blur: float = 0.02) -> Tensor:
    """Rows of `x_1` `(B, *event)` coupled to those of `x_0` `(B, *event)`, drawn from the transport plan.

    The plan is the entropic one for squared distances (M. Cuturi, NIPS 2013), with a regularisation of
    `blur` > 0 times the mean distance; small blurs come near the optimal assignment.
    """
    require_positive(blur=blur)
    cost = torch.cdist(x_0.flatten(1), x_1.flatten(1)).square().double()
    cost = cost / (blur * cost.mean()).clamp(min=torch.finfo(cost.dtype).tiny)
    plan = _sinkhorn(cost)
    return x_1[torch.multinomial(plan, 1, generator=rng)[:, 0]]


def _sinkhorn(cost: Tensor) -> Tensor:
    """The plan `(B, B)` with uniform marginals for `cost` in units of the regularisation."""
    kernel = torch.exp(-(cost - cost.amin(1, keepdim=True)))
    u = torch.ones_like(kernel[:, 0])
    tiny = torch.finfo(kernel.dtype).tiny
    for _ in range(ROUNDS):
        v = 1 / (u @ kernel).clamp(min=tiny)
        u = 1 / (kernel @ v).clamp(min=tiny)
    return u[:, None] * kernel * v
