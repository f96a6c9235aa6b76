"""Affine couplings: a map from N(0, I) to data that can be inverted and has an exact density.

A coupling keeps the coordinates under a mask and scales and shifts the free ones by functions of those kept:

    x = z                          where the mask is 1
    x = z exp(s(z_kept)) + t(z_kept)   elsewhere,    log |dz/dx| = -sum s

Whatever s and t are, the inverse is as cheap as the map and needs no inverse of theirs.

Source: L. Dinh, J. Sohl-Dickstein, S. Bengio, ICLR 2017 (arXiv:1605.08803), eq. 7-8.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .layers import activation
from .precision import full_precision, widened

LOG_SCALE_BOUND = 2.0
"""Largest |s| of one coupling: a coordinate is stretched or shrunk by at most e^2 = 7.4 each time."""


class Coupling(nn.Module):
    """One affine coupling on `(B, D)`; `mask` `(D,)` is true where a coordinate is kept.

    s = c tanh(r / c) with c = `LOG_SCALE_BOUND` and r, t from one dense network of widths `hidden`, whose
    last layer is zero at the start, so that the coupling begins as the identity.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, hidden: tuple[int, ...], activation_name: str) -> None:
        super().__init__()
        features = len(mask)
        self.register_buffer("mask", mask.to(torch.get_default_dtype()), persistent=False)
        layers: list[nn.Module] = []
        for inputs, outputs in zip((features, *hidden[:-1]), hidden, strict=True):
            layers += [nn.Linear(inputs, outputs), activation(activation_name)]
        last = nn.Linear(hidden[-1], 2 * features)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, z: Tensor) -> Tensor:
        """x `(B, D)`."""
        s, t = self._scale_and_shift(z)
        return z * s.exp() + t

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z `(B, D)` and log |dz/dx| `(B,)`."""
        s, t = self._scale_and_shift(x)
        return (x - t) * (-s).exp(), -s.sum(1)

    def _scale_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.layers(self.mask * kept).chunk(2, dim=1)
        free = 1 - self.mask
        return free * LOG_SCALE_BOUND * torch.tanh(raw / LOG_SCALE_BOUND), free * shift


class CouplingFlow(nn.Module):
    """`blocks` affine couplings from latents z ~ N(0, I) to flattened data x, both `(B, features)`.

    Begins as the identity. Runs in float32 at least, also under autocast: a density is a sum of many terms.

    Args:
        features: D, at least 2.
        hidden: widths of the dense network in each coupling; at least one.
        blocks: couplings, at least 2; neighbours keep what the other moves, so that every coordinate moves.
        activation_name: their nonlinearity, a name of `nets.layers.activation`.

    Raises:
        UsageError: for sizes out of range.
    """

    def __init__(
        self,
        features: int,
        hidden: tuple[int, ...] = (128, 128),
        blocks: int = 6,
        activation_name: str = "relu",
    ) -> None:
        super().__init__()
        if features < 2:
            raise UsageError(
                f"a flow has {features} features: couplings need at least 2; use the mlp generator"
            )
        if blocks < 2:
            raise UsageError(f"a flow has blocks {blocks}: with fewer than 2 some coordinates never move")
        if not hidden:
            raise UsageError(
                "hidden is empty: a coupling needs at least one hidden layer, such as (128, 128)"
            )
        self.features = features
        self.couplings = nn.ModuleList(
            Coupling(mask, hidden, activation_name) for mask in masks(features, blocks)
        )

    def forward(self, z: Tensor) -> Tensor:
        """x `(B, D)` of latents `(B, D)`."""
        with full_precision(z):
            x = widened(z)
            for coupling in self.couplings:
                x = coupling(x)
        return x

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The latents `(B, D)` of `x` `(B, D)`, and log |dz/dx| `(B,)`."""
        with full_precision(x):
            z = widened(x)
            log_det = z.new_zeros(len(z))
            for coupling in reversed(self.couplings):
                assert isinstance(coupling, Coupling)
                z, part = coupling.inverse(z)
                log_det = log_det + part
        return z, log_det

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) in nats, `(B,)`: log N(z; 0, I) + log |dz/dx|."""
        z, log_det = self.inverse(x)
        return log_det - 0.5 * z.square().sum(1) - 0.5 * self.features * math.log(2 * math.pi)


def masks(features: int, blocks: int) -> list[Tensor]:
    """`blocks` masks `(features,)` in complementary pairs, pair k by bit k of the coordinate's number.

    The first pair is the chessboard of even and odd. Two coordinates differ in some bit, so that with
    2 log2(features) blocks each has acted on each.
    """
    index = torch.arange(features)
    bits = (features - 1).bit_length()
    return [((index >> (i // 2 % bits)) & 1) == i % 2 for i in range(blocks)]
