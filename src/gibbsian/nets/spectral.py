"""Spectral normalisation whose power iteration stands still inside chains.

    plain         W / sigma                        a map of spectral norm 1
    lower bound   W min(sigma, 1) / sigma          small kernels stay small

sigma = u' W v estimates the largest singular value of W as a matrix (out, everything else); u and v
are buffers that advance by one power iteration in each *training* forward and never in eval mode.
Gradients flow through W in sigma, with u and v held constant. A chain of K steps calls its network K
times with the same weights: inside `cached_weights` they are normalised once.

Sources: T. Miyato et al., ICLR 2018, arXiv 1802.05957 (Algorithm 1); the lower bound is that of the
residual nets of Y. Du and I. Mordatch, NeurIPS 2019, arXiv 1903.08689. Not assumed: that W has full
rank or is non-zero (an all-zero W keeps its u and v, and stays zero).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .precision import full_precision

WARM_UP = 15


class SpectralWeight(nn.Module):
    """A weight `(out, *rest)` that is normalised each time it is called for.

    Calling it returns the normalised weight in the weight's own precision, also under autocast.
    Buffers: `u` (out,), `v` (prod(rest),), of unit length. With `lower_bound`, singular values are
    brought down to 1 but never up.
    """

    def __init__(self, weight: Tensor, *, lower_bound: bool = False) -> None:
        super().__init__()
        self.lower_bound = lower_bound
        self.weight = nn.Parameter(weight)
        rows, columns = weight.flatten(1).shape
        self.register_buffer("u", F.normalize(torch.randn(rows, dtype=weight.dtype), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(columns, dtype=weight.dtype), dim=0))
        self.u: Tensor
        self.v: Tensor
        self._cached: Tensor | None = None
        for _ in range(WARM_UP):
            self.advance()

    def forward(self) -> Tensor:
        """The normalised weight; advances u and v first when training and not cached."""
        if self._cached is not None:
            return self._cached
        with full_precision(self.weight):
            if self.training:
                self.advance()
            return self.normalised()

    def sigma(self) -> Tensor:
        """The present estimate u' W v, a scalar; differentiable in W only."""
        return self.u.clone() @ (self.weight.flatten(1) @ self.v.clone())

    def normalised(self) -> Tensor:
        """The weight divided by sigma, or by max(sigma, 1) with `lower_bound`."""
        floor = 1.0 if self.lower_bound else torch.finfo(self.weight.dtype).tiny
        return self.weight / self.sigma().clamp_min(floor)

    @torch.no_grad()
    def constant(self) -> Tensor:
        """The normalised weight without a graph, in full precision; u and v stay as they are."""
        with full_precision(self.weight):
            return self.normalised()

    @torch.no_grad()
    def advance(self) -> None:
        """One power iteration: v <- W'u / |W'u|, then u <- Wv / |Wv|."""
        matrix = self.weight.flatten(1)
        self.v.copy_(_unit(matrix.T @ self.u, self.v))
        self.u.copy_(_unit(matrix @ self.v, self.u))


class SpectralConv2d(nn.Module):
    """`conv2d` with a spectrally normalised kernel: `(B, in, H, W)` to `(B, out, H', W')`.

    `kernel`, `stride`, `padding` in pixels. `std` draws the kernel from N(0, std^2) instead of torch's
    uniform default. The bias, if any, is not normalised.
    """

    axes: ClassVar[int] = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        lower_bound: bool = False,
        std: float | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        shape = (out_channels, in_channels, *[kernel] * self.axes)
        self.kernel = SpectralWeight(_draw(shape, std), lower_bound=lower_bound)
        self.bias = _bias(shape) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        convolved = F.conv1d if self.axes == 1 else F.conv2d
        return convolved(x, self.kernel(), self.bias, self.stride, self.padding)


class SpectralConv1d(SpectralConv2d):
    """The same of signals: `(B, in, L)` to `(B, out, L')`."""

    axes = 1


class SpectralLinear(nn.Module):
    """`linear` with spectrally normalised matrix: `(B, in)` to `(B, out)`; arguments as `SpectralConv2d`."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        lower_bound: bool = False,
        std: float | None = None,
    ) -> None:
        super().__init__()
        shape = (out_features, in_features)
        self.matrix = SpectralWeight(_draw(shape, std), lower_bound=lower_bound)
        self.bias = _bias(shape) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.matrix(), self.bias)


@contextmanager
def cached_weights(layers: Iterable[nn.Module]) -> Iterator[None]:
    """Normalise every spectral weight among `layers` (`net.modules()`) once, reuse it, and forget it then.

    Inside, u and v stay as they are in either mode, and the weights are constants: no gradient reaches
    the parameters through them. Nests; restores the state before it, also after an error.
    """
    weights = [m for m in layers if isinstance(m, SpectralWeight)]
    before = [m._cached for m in weights]
    try:
        for m in weights:
            if m._cached is None:
                m._cached = _last(m.constant())
        yield
    finally:
        for m, cached in zip(weights, before, strict=True):
            m._cached = cached


def _last(weight: Tensor) -> Tensor:
    """The weight of a two-dimensional convolution with its channels last, as networks built here have it."""
    return weight.contiguous(memory_format=torch.channels_last) if weight.dim() == 4 else weight


def _unit(x: Tensor, fallback: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(x)
    tiny = torch.finfo(x.dtype).tiny
    return torch.where(norm > tiny, x / norm.clamp_min(tiny), fallback)


def _draw(shape: tuple[int, ...], std: float | None) -> Tensor:
    if std is not None:
        return torch.randn(shape) * std
    return nn.init.kaiming_uniform_(torch.empty(shape), a=math.sqrt(5))


def _bias(shape: tuple[int, ...]) -> nn.Parameter:
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    return nn.Parameter(torch.empty(shape[0]).uniform_(-bound, bound))
