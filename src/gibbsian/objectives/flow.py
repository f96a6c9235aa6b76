"""Learning a potential by the flow that it drives: pairs of noise and data, straight lines between them.

    x_t = (1 - t) x_0 + t x_1,    x_0 noise, x_1 data, t ~ U(0, 1)
    loss = mean |grad V(x_t) + x_1 - x_0|^2 / D                   velocity -grad V

Pairs are coupled by optimal transport within the batch, which straightens the lines and makes the velocity
nearer to a gradient field (A. Tong et al., TMLR 2024, arXiv 2302.00482; M. Balcerak et al., 2025, arXiv
2504.10612, eq. 8). The released codes draw pairs from the optimal assignment; here from an entropic plan,
which comes to it as its `blur` falls, and in many dimensions is far from it at the default.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError, require_positive
from ..core.position import expand
from ..core.records import Loss

ROUNDS = 100
LEAST = 1e-6
TINY = torch.finfo(torch.float64).tiny


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
    """Rows of `x_1` `(B, *event)` coupled to those of `x_0` `(B, *event)`, drawn from `transport_plan`."""
    return x_1[torch.multinomial(transport_plan(x_0, x_1, blur=blur), 1, generator=rng)[:, 0]]


@torch.no_grad()
def transport_plan(x_0: Tensor, x_1: Tensor, *, blur: float = 0.02) -> Tensor:
    """The entropic plan `(B, B)` for squared distances (M. Cuturi, NIPS 2013); rows and columns sum to 1.

    `blur` > 0 is its regularisation over the mean squared distance. At .001 its mean distance is within a few
    % of that of the optimal assignment, which the papers take; below 1e-6 it is as at 1e-6.

    The regularisation falls to `blur` by quarters from about 1, each beginning at the potentials of the last,
    which keeps the kernel from vanishing. What the rounds leave of the error in the sums is mended as by
    J. Altschuler et al., NIPS 2017, algorithm 2: what is too much is scaled down, what lacks is spread.
    """
    require_positive(blur=blur)
    blur = max(blur, LEAST)
    cost = torch.cdist(x_0.flatten(1), x_1.flatten(1)).square().double()
    cost = cost / cost.mean().clamp(min=TINY)
    f = cost.amin(1)
    g = (cost - f[:, None]).amin(0)
    for k in range(max(0, math.ceil(-math.log(blur, 4))), -1, -1):
        kernel = ((f[:, None] + g - cost) / (blur * 4**k)).exp()
        u, v = _scaled(kernel)
        f, g = f + blur * 4**k * u.log(), g + blur * 4**k * v.log()
    plan = u[:, None] * kernel * v
    plan = plan / plan.sum(0).clamp(min=1)
    rows, columns = ((1 - plan.sum(axis)).clamp(min=0) for axis in (1, 0))
    return plan + rows[:, None] * columns / rows.sum().clamp(min=TINY)


def _scaled(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Factors on rows and columns that make their sums 1: of the rows exactly, of the columns to 1e-3 or
    as far as `ROUNDS` go."""
    u, v = torch.ones_like(kernel[:, 0]), torch.ones_like(kernel[0])
    for k in range(ROUNDS):
        sums = (u @ kernel).clamp(min=TINY)
        if k % 10 == 9 and float((sums * v - 1).abs().max()) < 1e-3:  # not each time: it waits for the device
            break
        v = 1 / sums
        u = 1 / (kernel @ v).clamp(min=TINY)
    return u, v
