"""One energy from several sizes of an image: coarse networks see the whole, fine ones the texture.

    E(x) = E_1(x) + E_2(half x) + E_3(quarter x) + ...

Source: the three-scale energy of Y. Du, S. Li, J. Tenenbaum, I. Mordatch, ICML 2021, arXiv 2012.01316.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import UsageError
from .build import build
from .families import AnyNet


class MultiScale(nn.Module):
    """Sum of the energies `nets` of images `(B, C, H, W)`, each after one more 2 x 2 mean pooling; `(B,)`."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        energy = self._one(0, x, y)
        for scale in range(1, len(self.nets)):
            x = F.avg_pool2d(x, 2)
            energy = energy + self._one(scale, x, y)
        return energy

    def _one(self, scale: int, x: Tensor, y: Tensor | None) -> Tensor:
        energy: Tensor = self.nets[scale](x) if y is None else self.nets[scale](x, y)
        return energy


def build_scales(config: AnyNet, event_shape: tuple[int, ...], scales: int) -> nn.Module:
    """The network of `config` at each of `scales` sizes, or `build`'s own for one.

    Raises `UsageError` for fewer than one scale, for events that are not images, and for images too small.
    """
    if scales < 1:
        raise UsageError(f"scales is {scales}: use 1 for the whole image, 3 for halves and quarters too")
    if scales == 1:
        return build(config, event_shape)
    if len(event_shape) != 3:
        raise UsageError(f"scales is {scales}, but events of shape {tuple(event_shape)} are no images: use 1")
    channels, height, width = event_shape
    if min(height, width) < 2 ** (scales - 1):
        raise UsageError(
            f"images of {height}x{width} pixels cannot be halved {scales - 1} times: lower scales"
        )
    return MultiScale([build(config, (channels, height >> k, width >> k)) for k in range(scales)])
