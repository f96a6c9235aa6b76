"""Energy networks of growing image sizes, each of which begins as the one below it and is faded over.

    E(x) = trunk((1 - a) old(pool(x)) + a front(entry(x))),    pool: means of 2x2 pixels,   a in [0, 1]

The network of a size is that of the size below with something new in front: `old` and `trunk` together are
the network below, so at a = 0 the energy of an image is the old energy of the pooled image, and at a = 1
`old` is out of use. Two families share this:

    conv     entry: 1x1 convolution from colours;  front: residual block that halves the size;  trunk: the
             blocks below, down to 4 pixels or fewer, and the head (the expanding network of the paper)
    dense    entry: a whole network of its own;  front, trunk: nothing, so that energies are blended

Source: Y. Zhao, J. Xie, P. Li, ICLR 2021, "coarse-to-fine expanding and sampling", and its released code,
which keeps a network for each size. There the skips and the last layer have equalised rates, and swish is
divided by 1.1; here they are plain.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .build import build
from .families import AnyNet
from .layers import EnergyHead, activation, check_event
from .resize import shrink
from .spectral import SpectralConv2d, SpectralLinear

Size = tuple[int, int]
BOTTOM = 4
"""Pixels a side at which convolutions end and a layer over the whole map follows."""


class Growing(Protocol):
    """What a pyramid is made of: a family, and its network or its `width`, the feature maps at 64 pixels."""

    @property
    def family(self) -> Literal["conv", "dense"]:
        """Which of the two."""

    @property
    def net(self) -> AnyNet:
        """The network of each size (dense), and the activation of both."""

    @property
    def width(self) -> int:
        """w of `maps` (conv)."""


class Stage(nn.Module):
    """The energy of images of one size, `(B, *event_shape)` to `(B,)`, of the parts that the formula names.

    Without `old` it is the lowest. Raises `UsageError` for images of another shape.
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        entry: nn.Module,
        front: nn.Module,
        trunk: nn.Sequential,
        old: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.old, self.entry, self.front, self.trunk = old, entry, front, trunk

    def forward(self, x: Tensor, alpha: Tensor | None = None) -> Tensor:
        """E `(B,)` with the new part weighted by `alpha`, a scalar; None is 1, and spares the old part."""
        check_event(x, self.event_shape)
        h = self.front(self.entry(x))
        if self.old is not None and alpha is not None:
            height, width = self.event_shape[1:]
            h = (1 - alpha) * self.old(shrink(x, (height // 2, width // 2))) + alpha * h
        energy: Tensor = self.trunk(h)
        return energy

    def grown(self, event_shape: tuple[int, ...], entry: nn.Module, front: nn.Module) -> Stage:
        """The stage above: `entry` and `front` before a copy of this one."""
        return Stage(event_shape, entry, front, copy.deepcopy(self._below()), copy.deepcopy(self.entry))

    @torch.no_grad()
    def inherit(self, below: Stage) -> None:
        """Copy the weights that this stage has in common with the one `below` it."""
        pairs = [(self.old, below.entry), (self.trunk, below._below())]
        mine, theirs = ([t for pair in pairs for t in _tensors(pair[side])] for side in (0, 1))
        if mine:
            torch._foreach_copy_(mine, theirs)

    def _below(self) -> nn.Sequential:
        """What the stage above has behind its own front."""
        return nn.Sequential(self.front, *self.trunk)


def inherit(stages: Iterable[nn.Module]) -> None:
    """Hand the weights of the first of some `Stage`s upwards, as far as those above have them in common."""
    for below, above in pairwise(cast(Iterable[Stage], stages)):
        above.inherit(below)


class DownBlock(nn.Module):
    """A residual block that halves the size, `(B, inputs, H, W)` to `(B, outputs, H // 2, W // 2)`.

    (skip + act(pool(conv3(act(conv3(h)))))) / sqrt 2, spectral norm in both convolutions; the skip is a plain
    1x1 convolution of the pooled input, which is the same as pooling its output and costs a quarter.
    """

    def __init__(self, inputs: int, outputs: int, act: nn.Module) -> None:
        super().__init__()
        self.act = act
        self.conv1 = SpectralConv2d(inputs, outputs, 3, padding=1)
        self.conv2 = SpectralConv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, h: Tensor) -> Tensor:
        inner = self.act(F.avg_pool2d(self.conv2(self.act(self.conv1(h))), 2))
        out: Tensor = (inner + self.skip(F.avg_pool2d(h, 2))) / 2**0.5
        return out


def pyramid(config: Growing, channels: int, sizes: Sequence[Size]) -> nn.ModuleList:
    """A `Stage` for each of the `sizes` (height, width), each twice the one before, of `channels` colours."""
    act = activation(config.net.activation, config.net.negative_slope)
    stages: list[Stage] = []
    for size in sizes:
        shape = (channels, *size)
        entry = _entry(config, shape)
        if not stages:
            stages = [Stage(shape, entry, nn.Identity(), _trunk(config, size, act))]
        else:
            stages.append(stages[-1].grown(shape, entry, _front(config, size, act)))
    # channels last for the reason that is given in `build`
    return nn.ModuleList(stages).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def maps(width: int, size: Size) -> int:
    """Feature maps at a size: 4 w up to 16 pixels, 2 w at 32, w at 64, then half as many each time.

    >>> [maps(32, (n, n)) for n in (4, 8, 16, 32, 64, 128, 256, 512)]
    [128, 128, 128, 64, 32, 16, 8, 4]
    """
    return max(4 * width // 2 ** max(_halvings(size) - 2, 0), 1)


def _entry(config: Growing, shape: tuple[int, int, int]) -> nn.Module:
    if config.family == "dense":
        return build(config.net, shape)
    return SpectralConv2d(shape[0], maps(config.width, shape[1:]), 1)


def _front(config: Growing, size: Size, act: nn.Module) -> nn.Module:
    if config.family == "dense":
        return nn.Identity()
    return DownBlock(maps(config.width, size), maps(config.width, _half(size)), act)


def _trunk(config: Growing, size: Size, act: nn.Module) -> nn.Sequential:
    """From the maps of the smallest size to E."""
    if config.family == "dense":
        return nn.Sequential()
    blocks: list[nn.Module] = []
    while min(size) > BOTTOM:
        blocks.append(_front(config, size, act))
        size = _half(size)
    wide = maps(config.width, size)
    last = SpectralLinear(wide * size[0] * size[1], wide)  # the convolution over the whole last map
    conv = SpectralConv2d(wide, wide, 3, padding=1)
    return nn.Sequential(*blocks, conv, act, nn.Flatten(), last, act, EnergyHead(wide, (), act))


def _half(size: Size) -> Size:
    return size[0] // 2, size[1] // 2


def _halvings(size: Size) -> int:
    """How often a size is halved until it is down to the bottom."""
    return 0 if min(size) <= BOTTOM else 1 + _halvings(_half(size))


def _tensors(module: nn.Module | None) -> list[Tensor]:
    return [] if module is None else [*module.parameters(), *module.buffers()]
