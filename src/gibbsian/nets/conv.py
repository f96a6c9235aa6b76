"""Plain convolutional energy networks: the short-run, tutorial and MNIST nets, and one of signals."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn

from ..core.errors import UsageError
from .dropout import Dropout
from .layers import EnergyHead, EnergyNet, LabelVector, activation, conv, pooled, spread
from .settings import ConvolutionsConfig, per_layer


class ConvNet(EnergyNet):
    """E(x) or E(x, y) from convolutions, pooling over space, and dense layers.

    Takes images `x` `(B, C, H, W)`, in any memory format, and, with `classes`, `y` as class numbers
    `(B,)` or a floating `(B, classes)` matrix, with a `condition` its rows; returns `(B,)`. Sizes are in
    pixels; `kernels`, `strides` and `paddings` may be shorter than `channels`, their last entry then
    repeats; an empty `paddings` is (kernel - 1) // 2. `pool` is sum, mean or flatten: sum makes energies grow
    with the area, flatten with one linear layer is the convolution over the whole last map of the short-run
    net. A scalar head with classes gives each feature map a per-class gain and bias, the identity at
    the start; a logits head is a joint model (see `EnergyHead`). `spectral_norm` holds for all but
    the last layer. No layer couples the images of a batch. Raises `UsageError` for an event that is
    not an image or that the strides shrink to nothing.

    Sources: E. Nijkamp et al., NeurIPS 2019, arXiv 1904.09770; Y. Du and I. Mordatch, NeurIPS 2019,
    arXiv 1903.08689; P. Lippe, UvA deep-learning tutorials, tutorial 8.
    """

    axes: ClassVar[int] = 2

    def __init__(self, event_shape: tuple[int, ...], config: ConvolutionsConfig) -> None:
        super().__init__()
        channels, classes, joint, spectral = (
            config.channels,
            config.label_size,
            config.joint,
            config.spectral_norm,
        )
        labels = 0 if joint else classes
        self.event_shape, self.pool = tuple(event_shape), config.pool
        sizes = layer_sizes(channels, config.kernels, config.strides, config.paddings)
        inputs = (space_channels(event_shape, self.axes), *channels[:-1])
        self.convs = nn.ModuleList(
            conv(a, b, k, s, p, bias=not labels, spectral=spectral, axes=self.axes)
            for a, b, (k, s, p) in zip(inputs, channels, sizes, strict=True)
        )
        self.gains = nn.ModuleList(LabelVector(c, labels, start=1.0) for c in channels if labels)
        self.biases = nn.ModuleList(LabelVector(c, labels) for c in channels if labels)
        self.act = activation(config.activation, config.negative_slope)
        self.dropout = Dropout(config.dropout)
        area = math.prod(last_map(self.event_shape[1:], sizes)) if config.pool == "flatten" else 1
        self.head = EnergyHead(
            channels[-1] * area, config.head_hidden, self.act, classes=classes, joint=joint, spectral=spectral
        )

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The pooled features, `(B, F)`."""
        h = x
        for i, layer in enumerate(self.convs):
            h = layer(h)
            if len(self.gains):
                h = h * spread(self.gains[i](y), h) + spread(self.biases[i](y), h)
            h = self.dropout(self.act(h))
        return pooled(h, self.pool)


class ConvNet1d(ConvNet):
    """The same of signals `(B, C, L)`: convolutions over their length, sizes in samples."""

    axes = 1


def image_channels(event_shape: tuple[int, ...]) -> int:
    """C of an image event `(C, H, W)`; raises `UsageError` for any other shape."""
    return space_channels(event_shape, 2)


def space_channels(event_shape: tuple[int, ...], axes: int) -> int:
    """C of an event `(C, *space)` with so many axes of space; raises `UsageError` for any other shape."""
    if len(event_shape) != 1 + axes:
        what = "a signal (channels, length)" if axes == 1 else "an image (channels, height, width)"
        fits = {2: "conv1d", 3: "conv"}.get(len(event_shape), "mlp")
        raise UsageError(f"event shape {tuple(event_shape)} is not {what}: use another network, --net {fits}")
    return event_shape[0]


def layer_sizes(
    channels: tuple[int, ...], kernels: tuple[int, ...], strides: tuple[int, ...], paddings: tuple[int, ...]
) -> list[tuple[int, int, int]]:
    """(kernel, stride, padding) of each layer, short lists stretched by their last entry.

    Raises `UsageError` for a stride beyond its kernel, which would leave pixels unread.
    """
    n = len(channels)
    ks, ss = per_layer("kernels", kernels, n), per_layer("strides", strides, n)
    ps = per_layer("paddings", paddings, n) if paddings else tuple((k - 1) // 2 for k in ks)
    for kernel, stride in zip(ks, ss, strict=True):
        if stride > kernel:
            raise UsageError(
                f"a kernel of {kernel} with stride {stride} leaves pixels unread: set kernels to {stride} or "
                "more, or a smaller stride"
            )
    return list(zip(ks, ss, ps, strict=True))


def last_map(size: tuple[int, ...], layers: list[tuple[int, int, int]]) -> tuple[int, ...]:
    """Height and width after all layers; raises `UsageError` if nothing is left."""
    start = size
    for kernel, stride, padding in layers:
        size = tuple((n + 2 * padding - kernel) // stride + 1 for n in size)
        if min(size) < 1:
            raise UsageError(
                f"images of {'x'.join(map(str, start))} pixels vanish in {len(layers)} layers: "
                "use fewer layers, smaller strides or kernels, or more padding"
            )
    return size
