"""A Gaussian around a regression: q(x | c) = N(mean(c), L diag(scale(c))^2 L^T), or the same without c."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .density import LOG_2PI


class GaussianRegression(nn.Module):
    """The Gaussian of a network of conditions c `(B, C)`; with C = 0 its mean and scales are free parameters.

    L is lower triangular with ones on its diagonal, one for all c. `white(x, c)` is u with x = mean + L scale
    u, which is N(0, I) where q is right; `coloured` goes back. It begins as N(0, I).
    """

    def __init__(self, event_shape: tuple[int, ...], condition: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape, self.size, self.condition = tuple(event_shape), math.prod(event_shape), condition
        self.lower = nn.Parameter(torch.zeros(self.size, self.size))
        if condition:
            sizes = (condition, *hidden)
            layers = [m for a, b in zip(sizes, sizes[1:], strict=False) for m in (nn.Linear(a, b), nn.SiLU())]
            last = nn.Linear(sizes[-1], 2 * self.size)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.net = nn.Sequential(*layers, last)
        else:
            self.free = nn.Parameter(torch.zeros(2 * self.size))

    def moments(self, n: int, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log scale, `(n, D)` each."""
        both = self.net(c) if self.condition else self.free.expand(n, -1)
        mean, log_scale = both.chunk(2, 1)
        return mean, 6 * torch.tanh(log_scale / 6)

    def white(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """u `(B, D)` and log |dx/du| `(B,)`, the sum of the log scales."""
        mean, log_scale = self.moments(len(x), c)
        apart = torch.linalg.solve_triangular(
            self.lower, (x.flatten(1) - mean).T, upper=False, unitriangular=True
        ).T
        return apart * (-log_scale).exp(), log_scale.sum(1)

    def coloured(self, u: Tensor, c: Tensor | None = None) -> Tensor:
        """x `(B, *event)` of u `(B, D)`."""
        mean, log_scale = self.moments(len(u), c)
        scaled = u * log_scale.exp()
        moved = scaled + scaled @ self.lower.tril(-1).T
        return (mean + moved).reshape(-1, *self.event_shape)

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator, c: Tensor | None = None) -> Tensor:
        """`n` draws `(n, *event)`, one at each condition."""
        return self.coloured(torch.randn(n, self.size, generator=rng, device=rng.device), c)

    def log_density(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """log q(x | c) in nats, `(B,)`."""
        u, volume = self.white(x, c)
        return self.standard(u) - volume

    def standard(self, u: Tensor) -> Tensor:
        """log N(u; 0, I), `(B,)`."""
        return -0.5 * u.square().sum(1) - 0.5 * self.size * LOG_2PI
