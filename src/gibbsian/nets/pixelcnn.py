"""A small autoregressive likelihood of images: gated PixelCNN with a discretised mixture of logistics.

    log p(x) = sum over pixels i, row by row, of log p(x_i | pixels above, and to the left in the row of i)

Two stacks of convolutions see just these (A. van den Oord et al., NeurIPS 2016, arXiv 1606.05328): the
vertical one every row above, the horizontal one what is to the left, and what the vertical one has found.
Nothing is masked: the input is shifted by one row, or one column, and padded so that no kernel reaches beyond
its pixel. Gates are a sigmoid(b), and kernels are spread (dilated), so that few layers see far. Constant
planes tell a layer where it is.

A pixel's value x in {0, ..., 255} / 127.5 - 1 has the mass of a mixture of logistics between x - 1/255 and
x + 1/255, the ends taking the tails (T. Salimans et al., PixelCNN++, ICLR 2017, arXiv 1701.05517). With F the
logistic distribution function, and a < b the ends of the bin in units of the scale,

    F(b) - F(a) = F(b) F(-a) (1 - exp(a - b))

holds exactly, so that log p needs no approximation in the tails. The mean of a colour depends linearly on the
colours of the pixel before it. One mixture component is chosen for all colours of a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import image_channels

LOG_SCALES = (-7.0, 7.0)
"""Bounds: a logistic within a bin, and one whose mass is all in the tails."""
HALF_BIN = 1 / 255
REACH = 3
"""Rows above, and columns either side, that the first layer sees."""
DILATIONS = (1, 2, 4)


class Mixture(NamedTuple):
    """Log weights `(B, K, H, W)` of each pixel, means and log scales of its logistics `(B, K, C, H, W)`."""

    log_weight: Tensor
    mean: Tensor
    log_scale: Tensor


class PixelCNN(nn.Module):
    """`log_prob` of images `(C, H, W)` of 256 values, in nats; raises `UsageError` for anything but images.

    `width` feature maps in either stack, `layers` after the first, `mixtures` logistics for a pixel: by
    default some 30,000 multiply-adds a grey pixel, which is what one core trains in minutes.
    """

    def __init__(
        self, event_shape: tuple[int, ...], width: int = 16, layers: int = 5, mixtures: int = 5
    ) -> None:
        super().__init__()
        self.channels, self.mixtures = image_channels(event_shape), mixtures
        inputs = self.channels + 3
        self.first_vertical = nn.Conv2d(inputs, 2 * width, (REACH, 2 * REACH + 1))
        self.first_horizontal = nn.Conv2d(inputs, 2 * width, (1, REACH))
        self.first_link = nn.Conv2d(width, 2 * width, 1)
        self.layers = nn.ModuleList(GatedLayer(width, DILATIONS[i % len(DILATIONS)]) for i in range(layers))
        self.sizes = [mixtures * n for n in (1, self.channels, self.channels, len(self._earlier()))]
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, sum(self.sizes), 1)
        )

    def forward(self, x: Tensor) -> Mixture:
        """The distribution of every pixel of images `(B, C, H, W)` in [-1, 1], given those before it."""
        seen = torch.cat([x, places(x)], 1)
        # The last row and column are left out, the padding is above and to the left: a shift by one.
        v = F.glu(self.first_vertical(F.pad(seen[:, :, :-1], (REACH, REACH, REACH, 0))), 1)
        left = self.first_horizontal(F.pad(seen[:, :, :, :-1], (REACH, 0, 0, 0)))
        h = F.glu(left + self.first_link(v), 1)
        for layer in self.layers:
            v, h = layer(v, h)
        weight, mean, log_scale, slopes = (
            part.unflatten(1, (self.mixtures, -1)) for part in self.head(h).split(self.sizes, 1)
        )
        means = list(mean.unbind(2))
        for number, (colour, earlier) in enumerate(self._earlier()):
            means[colour] = means[colour] + slopes[:, :, number].tanh() * x[:, None, earlier]
        return Mixture(weight[:, :, 0].log_softmax(1), torch.stack(means, 2), log_scale.clamp(*LOG_SCALES))

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, `(B,)`, of images of 256 values, whole numbers / 127.5 - 1."""
        return mixture_log_prob(self(x), x).flatten(1).sum(1)

    def _earlier(self) -> list[tuple[int, int]]:
        """Each colour with each of those before it."""
        return [(c, d) for c in range(self.channels) for d in range(c)]


class GatedLayer(nn.Module):
    """One more layer of both stacks, vertical and horizontal, each `(B, width, H, W)`."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.vertical = nn.Conv2d(width, 2 * width, (2, 3), dilation=dilation)
        self.horizontal = nn.Conv2d(width, 2 * width, (1, 2), dilation=dilation)
        self.link = nn.Conv2d(width, 2 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        d = self.dilation
        v = v + F.glu(self.vertical(F.pad(v, (d, d, d, 0))), 1)
        found = F.glu(self.horizontal(F.pad(h, (d, 0, 0, 0))) + self.link(v), 1)
        return v, h + self.out(found)


def places(x: Tensor) -> Tensor:
    """Ones, row and column from -1 to 1, `(B, 3, H, W)`: ones tell the image from its padding."""
    rows, columns = (torch.linspace(-1, 1, n, device=x.device, dtype=x.dtype) for n in x.shape[2:])
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([torch.ones_like(down), down, across]).expand(len(x), -1, -1, -1)


def mixture_log_prob(mixture: Mixture, x: Tensor) -> Tensor:
    """log p of every pixel, its colours together, in nats, `(B, H, W)`; `x` `(B, C, H, W)`."""
    of_colours = discretised_logistic(x[:, None], mixture.mean, mixture.log_scale)
    return (mixture.log_weight + of_colours.sum(2)).logsumexp(1)


def discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log of the mass of a logistic in the bin of `x`, one of 256 values in [-1, 1], in nats.

    Shapes broadcast. Exact, and finite however far x is from the mean; the 256 masses sum to 1.
    """
    centred, inverse = x - mean, (-log_scale).exp()
    low, high = (centred - HALF_BIN) * inverse, (centred + HALF_BIN) * inverse
    width = 2 * HALF_BIN * inverse
    # Ends of the range take the tails: F(b) at the bottom, F(-a) = 1 - F(a) at the top.
    bottom, top = x < -1 + HALF_BIN, x > 1 - HALF_BIN
    inner = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(-width))
    return torch.where(bottom, F.logsigmoid(high), torch.where(top, F.logsigmoid(-low), inner))
