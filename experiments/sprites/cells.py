"""A grid of sprites of two attributes, of which a share is seen: sizes or shapes at every place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from gibbsian.core.random import derive, generator
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.shapes import Sprites, render

SIDE, PLACES = 16, 9
"""Pixels a side, and places along each axis, a pixel apart."""
SIZES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class Cells:
    """All values of the first attribute at all places: `sprites` (N,), `first` and `place` int64 (N,)."""

    sprites: Sprites
    first: Tensor
    place: Tensor

    @cached_property
    def images(self) -> Tensor:
        """What each looks like, `(N, SIDE, SIDE)` in [0, 1]."""
        return render(self.sprites, SIDE)

    @cached_property
    def of_first(self) -> Tensor:
        """Conditions of the first attribute, one-hot `(N, values)`."""
        return F.one_hot(self.first).float()

    @cached_property
    def of_place(self) -> Tensor:
        """Conditions of the place, one-hot on each axis `(N, 2 PLACES)`."""
        axes = torch.stack([self.place % PLACES, self.place // PLACES], 1)
        return F.one_hot(axes, PLACES).flatten(1).float()

    @cached_property
    def first_axis(self) -> Tensor:
        """What the model of the first attribute sees: all its values in the centre, bool `(N,)`."""
        return self.place == PLACES**2 // 2

    @cached_property
    def place_axis(self) -> Tensor:
        """What the model of the place sees: all places at the first value, bool `(N,)`."""
        return self.first == 0

    def seen(self, share: float, seed: int) -> Tensor:
        """Both axes, and a random `share` of the other cells, more of them as it grows; bool `(N,)`."""
        axes = self.first_axis | self.place_axis
        others = (~axes).nonzero()[:, 0]
        order = others[torch.randperm(len(others), generator=generator(derive(seed, "cells")))]
        axes[order[: round(share * len(others))]] = True
        return axes

    def dataset(self, which: Tensor, conditions: Tensor) -> Dataset:
        """The images of the cells where `which` is true, with these conditions."""
        bytes_ = (255 * self.images[which]).round().to(torch.uint8)
        return from_arrays(bytes_.numpy(), cond=conditions[which], name="cells")


def cells(attribute: str) -> Cells:
    """The grid of "size" (squares) or "shape" (of full size) and place; nothing is turned."""
    n = len(SIZES) if attribute == "size" else 3
    value, place = torch.cartesian_prod(torch.arange(n), torch.arange(PLACES**2)).unbind(1)
    x, y = (place % PLACES) / (PLACES - 1), place // PLACES / (PLACES - 1)
    shape = value if attribute == "shape" else torch.zeros_like(value)
    scale = torch.tensor(SIZES)[value] if attribute == "size" else torch.ones(len(value))
    return Cells(Sprites(shape, scale, x, y, torch.zeros(len(value))), value, place)
