"""Half the squared distance between an image and its reconstruction, E(x, y) = |x - r(x, y)|^2 / 2.

Where r takes noise away, grad E = x - r - J'(x - r) leads there too, J = dr/dx having what is left of the
noise in its kernel: an energy of this form denoises after fewer updates than one of free form (J. Zhao, M.
Mathieu, Y. LeCun, ICLR 2017, arXiv 1609.03126; Y. Du et al. 2023, arXiv 2302.11552, appendix).

    encode   a 5x5, then 3x3 convolutions with stride 2
    middle   dense to `middle` features and back, added: what one place has to do with all others
    smooth   two 3x3 convolutions, added
    decode   4x4 transposed convolutions, each beside the encoder's maps of that size, 3x3; last one of 6x6

x enters over root(1 + mean x^2), so that noise of any level does. All maps have gains and biases linear in y.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import image_channels
from .layers import LabelVector, activation, check_event, check_label, spread
from .precision import widened
from .settings import AutoencoderConfig


class Layer(nn.Module):
    """act(gain(y) * linear(h) + bias(y)): any linear map with `outputs` features."""

    def __init__(self, linear: nn.Module, outputs: int, labels: int, act: nn.Module) -> None:
        super().__init__()
        self.linear, self.act = linear, act
        self.gain, self.bias = LabelVector(outputs, labels, start=1.0), LabelVector(outputs, labels)

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        h = self.linear(h)
        out: Tensor = self.act(h * spread(self.gain(y), h) + spread(self.bias(y), h))
        return out


class Autoencoder(nn.Module):
    """E(x) or E(x, y) of images `(B, C, H, W)`, `(B,)`; y are rows `(B, label_size)` or class numbers `(B,)`.

    `channels` are the maps of the encoder, each at half the side of those before. Raises `UsageError` for an
    event that is no image, and for sides that cannot be halved as often.
    """

    def __init__(self, event_shape: tuple[int, ...], config: AutoencoderConfig) -> None:
        super().__init__()
        self.event_shape, self.labels = tuple(event_shape), config.label_size
        inputs, maps = image_channels(event_shape), config.channels
        (height, width), parts = event_shape[1:], 2 ** len(maps)
        if height % parts or width % parts:
            raise UsageError(
                f"images of {height}x{width} cannot be halved {len(maps)} times: set net.channels to fewer"
            )
        act = activation(config.activation, config.negative_slope)

        def layer(linear: nn.Module, outputs: int) -> Layer:
            return Layer(linear, outputs, self.labels, act)

        sizes = zip((inputs, *maps), maps, (5, *[3] * len(maps)), strict=False)
        self.encode = nn.ModuleList(layer(nn.Conv2d(a, b, k, 2, k // 2, bias=False), b) for a, b, k in sizes)
        last = maps[-1]
        self.small = (last, height // parts, width // parts)
        area = last * self.small[1] * self.small[2]
        dense = (area, config.middle), (config.middle, area)
        self.middle = nn.ModuleList(layer(nn.Linear(a, b, bias=False), b) for a, b in dense)
        self.smooth = nn.ModuleList(layer(nn.Conv2d(last, last, 3, 1, 1, bias=False), last) for _ in range(2))
        down = list(zip(maps[::-1], maps[-2::-1], strict=False))
        self.enlarge = nn.ModuleList(layer(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), b) for a, b in down)
        self.join = nn.ModuleList(layer(nn.Conv2d(2 * b, b, 3, 1, 1, bias=False), b) for _, b in down)
        self.out = nn.ConvTranspose2d(maps[0], inputs, 6, 2, 2)
        with torch.no_grad():
            self.out.weight.mul_(0.3)

    def reconstruction(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """r(x, y), of the shape of `x`."""
        h = x / (1 + x.square().mean((1, 2, 3), keepdim=True)).sqrt()
        maps = []
        for layer in self.encode:
            h = layer(h, y)
            maps.append(h)
        inner = h.flatten(1)
        for layer in self.middle:
            inner = layer(inner, y)
        h = h + inner.view(-1, *self.small)
        for layer in self.smooth:
            h = h + layer(h, y)
        for enlarge, join, skipped in zip(self.enlarge, self.join, maps[-2::-1], strict=True):
            h = join(torch.cat([enlarge(h, y), skipped], 1), y)
        return widened(self.out(h))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        check_event(x, self.event_shape)
        check_label(y, self.labels, len(x))
        if y is None and self.labels:
            raise UsageError("this network was called without labels: give y, classes or conditions")
        return (x - self.reconstruction(x, y)).flatten(1).square().sum(1) / 2
