"""Energies of two attributes, and their sum: E(x | a, b) = E_a(x | a) + w (E_b(x | b) - E_b(x))."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gibbsian.nets.autoencoder import Layer
from gibbsian.nets.precision import widened


class Anywhere(nn.Module):
    """A sprite that is somewhere: E = |x|^2 / 2 - sigma^2 log sum_u exp(m_u / sigma^2), m by circular
    convolutions of stride 1, so that E is the same wherever the sprite is.

    Images `(B, 1, H, W)` and rows `(B, labels + levels)` of a label and a one-hot level to `(B,)`; u are the
    pixels.
    """

    def __init__(self, labels: int, sigmas: tuple[float, ...], maps: int = 24) -> None:
        super().__init__()
        rows = labels + len(sigmas)
        self.layers = nn.ModuleList(
            Layer(_circular(a, maps, k), maps, rows, nn.SiLU()) for a, k in ((1, 7), (maps, 5))
        )
        self.out = nn.Conv2d(maps, 1, 1, bias=False)
        self.register_buffer("variances", torch.tensor(sigmas).square())
        self.variances: Tensor

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        size = (1 + x.square().mean((1, 2, 3), keepdim=True)).sqrt()
        h = x / size
        for layer in self.layers:
            h = layer(h, y)
        variance = (y[:, -len(self.variances) :] @ self.variances).clamp(min=self.variances[-1])
        m = (size * widened(self.out(h))).flatten(1)
        somewhere = variance * (m / variance[:, None]).logsumexp(1)
        return x.flatten(1).square().sum(1) / 2 - somewhere


def _circular(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="circular", bias=False)


class Summed(nn.Module):
    """`first(x, [a, level])` + `strength` (`second(x, [b, level])` - `second(x, [0, level])`) of rows
    [a, b, level]. The difference is -log p(b | x); it counts at the `told` highest noises alone, as at lower
    ones x tells b.

    Where `second` has seen one value of a alone, its own E(x) takes that value away again. `plain` adds
    `first` and `second` at all levels, and takes nothing away.
    """

    def __init__(
        self, first: nn.Module, second: nn.Module, sizes: tuple[int, int, int], told: int, plain: bool = False
    ) -> None:
        super().__init__()
        self.first, self.second, self.sizes, self.told, self.plain = first, second, sizes, told, plain
        self.strength = 1.0

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b, level = y.split(list(self.sizes), 1)
        energy: Tensor = self.first(x, torch.cat([a, level], 1))
        if self.plain:
            return energy + self.second(x, torch.cat([b, level], 1))
        on = level[:, : self.told].sum(1)
        if not bool(on.any()):
            return energy
        given, none = (self.second(x, torch.cat([c, level], 1)) for c in (b, torch.zeros_like(b)))
        return energy + self.strength * on * (given - none)
