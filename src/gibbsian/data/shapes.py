"""Built-in sprites: one white square, ellipse or heart on black, of a continuous scale, place and rotation.

Shapes are signed distances in a frame whose unit is their outer radius, a quarter of the image at scale 1;
a pixel's grey is the share of it within half a pixel of the edge, so that all attributes move it smoothly. A
square is the same after 90 degrees, an ellipse after 180: `rotation` is an angle modulo that, and
its phase (rotation x symmetry) is a whole circle for every shape, independent of which it is.

Conditions c are blocks, one an attribute, that sum to 1 (position: 1 for each axis), so that a block of
zeros is no value and can say "not given": shape one-hot, the others linear B-splines ("hats") over knots.
Nets whose gains and biases are linear in c then interpolate between what they learn at the knots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.random import derive, generator
from .names import SPRITE_BLOCKS, SPRITE_SHAPES
from .readers import Arrays

SIDE, SMALLEST = 32, 0.5
SYMMETRY = (4, 2, 1)
"""How many rotations of each shape look the same."""
SIZE = {"train": 50_000, "test": 10_000}


@dataclass(frozen=True, eq=False)
class Sprites:
    """What N sprites are, tensors `(N,)`: `shape` int64; `scale` in [.5, 1]; `x` (to the right) and `y`
    (down) in [0, 1], at whose ends a sprite of scale 1 touches the edge; `rotation` in degrees to the left.
    """

    shape: Tensor
    scale: Tensor
    x: Tensor
    y: Tensor
    rotation: Tensor

    @property
    def symmetry(self) -> Tensor:
        """Rotations that look the same, `(N,)`: 4, 2 or 1."""
        return torch.tensor(SYMMETRY, device=self.shape.device)[self.shape]

    @property
    def phase(self) -> Tensor:
        """Rotation as a part of the angle after which the shape is the same, in [0, 1)."""
        return (self.rotation * self.symmetry / 360) % 1

    def __getitem__(self, index: Tensor | slice) -> Sprites:
        return Sprites(
            self.shape[index], self.scale[index], self.x[index], self.y[index], self.rotation[index]
        )


def draw(n: int, rng: torch.Generator) -> Sprites:
    """`n` sprites, all attributes uniform and independent (the phase for the rotation)."""
    shape = torch.randint(3, (n,), generator=rng)
    scale, x, y, phase = torch.rand(4, n, generator=rng)
    return Sprites(
        shape, SMALLEST + (1 - SMALLEST) * scale, x, y, 360 * phase / torch.tensor(SYMMETRY)[shape]
    )


def render(sprites: Sprites, side: int = SIDE) -> Tensor:
    """Images `(N, side, side)` in [0, 1]."""
    return torch.cat([_coverage(sprites[i : i + 1000], side) for i in range(0, len(sprites.x), 1000)])


def _coverage(s: Sprites, side: int) -> Tensor:
    radius, centres = side / 4, torch.arange(side) + 0.5
    right = centres - radius * (1 + 2 * s.x[:, None])
    up = radius * (1 + 2 * s.y[:, None]) - centres
    angle, size = torch.deg2rad(s.rotation)[:, None, None], (radius * s.scale)[:, None, None]
    right, up = right[:, None, :] / size, up[:, :, None] / size
    u, v = angle.cos() * right + angle.sin() * up, angle.cos() * up - angle.sin() * right
    out = torch.empty_like(u)
    for k, distance in enumerate((_square, _ellipse, _heart)):
        of = s.shape == k
        out[of] = distance(u[of], v[of])
    return (0.5 - out * size).clamp(0, 1)


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) - math.sqrt(0.5)


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    """Half as high as wide; the distance to first order, exact at the edge."""
    inside = torch.hypot(u, 2 * v)
    return inside * (inside - 1) / torch.hypot(u, 4 * v).clamp(min=1e-6)


def _heart(u: Tensor, v: Tensor) -> Tensor:
    """A square on its corner with discs on its upper sides; .265 centres it in its outer circle."""
    half = 1 / 1.265
    u, v = u.abs(), v + 0.265 * half
    disc = torch.hypot(u - half / 2, v - half / 2) - half * math.sqrt(0.5)
    return torch.minimum(disc, (u + v.abs() - half) * math.sqrt(0.5))


def encode(sprites: Sprites, blocks: tuple[str, ...] = tuple(SPRITE_BLOCKS)) -> Tensor:
    """Conditions `(N, D)`: the `blocks` one after the other, see the module."""
    position = hats(sprites.x, 8), hats(sprites.y, 8)
    made = {
        "shape": torch.nn.functional.one_hot(sprites.shape, len(SPRITE_SHAPES)).float(),
        "scale": hats((sprites.scale - SMALLEST) / (1 - SMALLEST), 6),
        "position": torch.cat(position, 1),
        "rotation": hats(sprites.phase, 8, periodic=True),
    }
    return torch.cat([made[block] for block in blocks], 1)


def hats(t: Tensor, knots: int, *, periodic: bool = False) -> Tensor:
    """Weights `(N, knots)`, of sum 1, of linear interpolation at `t` `(N,)` in [0, 1] between equal knots.

    `periodic`: t = 1 is the same as t = 0, and the last knot is next to the first.
    """
    gaps = knots if periodic else knots - 1
    apart = t[:, None] * gaps - torch.arange(knots, device=t.device)
    if periodic:
        apart = (apart + knots / 2) % knots - knots / 2
    return (1 - apart.abs()).clamp(min=0)


def read_rendered(blocks: tuple[str, ...], split: str) -> Arrays:
    """A fixed draw of images (N, 32, 32) uint8 with these blocks as conditions."""
    sprites = draw(SIZE[split], generator(derive(0, f"sprites:{split}")))
    x = (255 * render(sprites)).round().to(torch.uint8)
    lengths = tuple(SPRITE_BLOCKS[block] for block in blocks)
    return Arrays(x.numpy(), cond=encode(sprites, blocks).numpy(), blocks=lengths)
