"""Informative starts: a Gaussian fitted to the data, one for each class.

    x | y = c  ~  N(m_c, S_c + jitter I)

Sources: X. Yang, S. Ji, "JEM++", ICCV 2021, arXiv 2109.09032, section 3.3 (Gaussian-mixture start).
Not assumed: that S_c has full rank (the jitter makes it so), or that classes are equally large.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, require_positive
from ..core.position import Position
from ..core.random import RngLike, as_generator
from ..core.records import Batch
from .base import BufferSample, all_restarted, chain_labels


class ClassGaussian(nn.Module):
    """A Gaussian for each class; call `fit` before `draw`.

    Buffers: `mean` (C, D), `scale` (C, D, D) lower triangular, or (C, D) with `diagonal`, and `count`
    (C,) int64, D being the size of the event. A full covariance needs C D^2 numbers: 380 MB for ten
    classes of 3x32x32 images.

    Args:
        event_shape: shape of one data point.
        classes: number of classes C; 1 fits one Gaussian to all data, and asks for no labels.
        diagonal: keep the variances only, which takes C D numbers.
        jitter: variance added in every direction, in the squared units of the data.
        low: draws are clamped to be no smaller, None for no bound.
        high: draws are clamped to be no larger, None for no bound.

    Raises `UsageError` for values out of range, and for draws before `fit`.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        classes: int = 1,
        *,
        diagonal: bool = False,
        jitter: float = 1e-4,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__()
        require_positive(classes=classes, jitter=jitter)
        self.event_shape, self.classes = tuple(event_shape), classes
        self.diagonal, self.jitter, self.low, self.high = diagonal, jitter, low, high
        size = math.prod(event_shape)
        self.register_buffer("mean", torch.zeros(classes, size))
        self.register_buffer("scale", torch.zeros(classes, size, *([] if diagonal else [size])))
        self.register_buffer("count", torch.zeros(classes, dtype=torch.int64))
        self.mean: Tensor
        self.scale: Tensor
        self.count: Tensor

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor | None = None) -> ClassGaussian:
        """Fit mean and covariance to data `(N, *event)` with class numbers `y` `(N,)`; returns itself.

        Raises `UsageError` for missing labels or a class with fewer than two points.
        """
        if y is None:
            if self.classes > 1:
                raise UsageError(f"{self.classes} class Gaussians were fitted without labels: pass y")
            y = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for c in range(self.classes):
            points = x[y == c].flatten(1).to(self.mean.dtype)
            if len(points) < 2:
                raise UsageError(f"class {c} has {len(points)} points: a Gaussian needs at least 2")
            self.mean[c], self.count[c] = points.mean(0), len(points)
            self.scale[c] = self._root(points - points.mean(0))
        return self

    def draw(
        self, n: int, rng: RngLike, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` positions `(n, *event)` of the classes asked for, or of classes as frequent as in the data."""
        rng = as_generator(rng, self.mean.device)
        if not bool(self.count.all()):
            raise UsageError("the class Gaussians have seen no data: call fit(x, y) before the first draw")
        labels = chain_labels(n, y)
        if self.classes == 1:
            which = torch.zeros(n, dtype=torch.int64, device=rng.device)
        elif labels is None:
            labels = which = torch.multinomial(self.count.double(), n, replacement=True, generator=rng)
        else:
            which = labels
        return BufferSample(self._place(which, rng), labels, None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""

    def _root(self, centred: Tensor) -> Tensor:
        if self.diagonal:
            return (centred.square().sum(0) / (len(centred) - 1) + self.jitter).sqrt()
        covariance = centred.T @ centred / (len(centred) - 1)
        return torch.linalg.cholesky(covariance + self.jitter * torch.eye(len(covariance)).to(covariance))

    def _place(self, which: Tensor, rng: torch.Generator) -> Tensor:
        x = self.mean[which]
        noise = torch.randn(x.shape, generator=rng, dtype=x.dtype, device=x.device)
        for c in which.unique().tolist():
            chosen, scale = which == c, self.scale[c]
            x[chosen] += noise[chosen] * scale if self.diagonal else noise[chosen] @ scale.T
        x = x.reshape(-1, *self.event_shape)
        return x if self.low is None and self.high is None else x.clamp(self.low, self.high)
