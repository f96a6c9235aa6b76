"""An attribute regressor of sprites: what is in an image, and how far from what was asked for.

python -m experiments.sprites.regressor OUT.safetensors [--steps 4000] [--side 32]

A small convolutional network, trained on fresh renders with the blur, noise and lost contrast that samples of
energies have. The table has its own errors on held-out renders, clean and marred (the floor of every table
that it measures), and those of independent random sprites (chance).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gibbsian.core.random import generator, seeded_init
from gibbsian.data.shapes import SIDE, SYMMETRY, Sprites, draw, render
from gibbsian.metrics.interval import share_interval
from gibbsian.report.tables import table

PIXELS = 16
"""Pixels of the way that position goes from 0 to 1, of 32 x 32 images."""


class Regressor(nn.Module):
    """Images `(B, side, side)` in [0, 1], the side a multiple of 8, to `(B, 8)`: logits of the shape, scale,
    x, y, cos, sin of the phase."""

    def __init__(self, side: int = SIDE) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 32, 5, 2, 2), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(64, 64, 3, 2, 1), nn.SiLU(), nn.Flatten(),
            nn.Linear(side * side, 256), nn.SiLU(), nn.Linear(256, 8),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.net(images[:, None] - 0.1)
        return out

    @torch.no_grad()
    def read(self, images: Tensor) -> Sprites:
        """The attributes of images."""
        out = torch.cat([self(part) for part in images.split(500)])
        shape, turn = out[:, :3].argmax(1), torch.atan2(out[:, 7], out[:, 6]) / (2 * math.pi) % 1
        scale, x, y = (out[:, 3:6] + torch.tensor([0.75, 0.5, 0.5])).unbind(1)
        return Sprites(shape, scale, x, y, 360 * turn / torch.tensor(SYMMETRY)[shape])


@dataclass(frozen=True)
class Errors:
    """Tensors `(N,)`: whether the shape is right, and absolute errors of scale, position (pixels, Euclidean)
    and rotation (degrees, modulo the symmetry of the shape asked for)."""

    shape: Tensor
    scale: Tensor
    position: Tensor
    rotation: Tensor

    @classmethod
    def between(cls, found: Sprites, asked: Sprites) -> Errors:
        """Of what was found against what was asked for."""
        period = 360 / asked.symmetry
        # The phase of another shape stands for another angle: errors are in degrees of the image.
        turn = (found.rotation - asked.rotation + period / 2) % period - period / 2
        apart = PIXELS * torch.hypot(found.x - asked.x, found.y - asked.y)
        return cls(found.shape == asked.shape, (found.scale - asked.scale).abs(), apart, turn.abs())

    def right(self) -> dict[str, Tensor]:
        """Which are within the tolerances (scale .05, a pixel, 10 degrees), one by one and all together."""
        each = {
            "shape": self.shape,
            "scale": self.scale <= 0.05,
            "position": self.position <= 1,
            "rotation": self.rotation <= 10,
        }
        return {**each, "all four": torch.stack(list(each.values())).all(0)}


def marred(images: Tensor, rng: torch.Generator) -> Tensor:
    """Images with a blur of up to .8 pixels, contrast down to .7, and noise of up to .1."""
    n = len(images)
    width, contrast, noise = torch.rand(3, n, 1, 1, generator=rng)
    at = torch.arange(-2, 3).view(1, 1, 5)
    kernel = torch.exp(-(at**2) / (2 * (0.05 + 0.75 * width) ** 2))
    kernel = kernel / kernel.sum(2, keepdim=True)
    blurred = F.conv2d(images[None], kernel.view(n, 1, 5, 1), padding=(2, 0), groups=n)
    blurred = F.conv2d(blurred, kernel.view(n, 1, 1, 5), padding=(0, 2), groups=n)[0]
    return (1 - 0.3 * contrast) * blurred + 0.1 * noise * torch.randn(images.shape, generator=rng)


def train(steps: int = 4000, seed: int = 0, side: int = SIDE) -> Regressor:
    """A regressor after `steps` updates on 128 fresh renders each, half of them marred."""
    rng = generator(seed)
    with seeded_init(rng):
        model = Regressor(side)
    opt = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, steps)
    for _ in range(steps):
        asked = draw(128, rng)
        images = render(asked, side)
        images = torch.cat([images[:64], marred(images[64:], rng)])
        loss = _loss(model(images), asked)
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()
    return model.eval()


def _loss(out: Tensor, asked: Sprites) -> Tensor:
    turn = 2 * math.pi * asked.phase
    target = torch.stack([asked.scale - 0.75, asked.x - 0.5, asked.y - 0.5, turn.cos(), turn.sin()], 1)
    weight = torch.tensor([40.0, 20.0, 20.0, 2.0, 2.0])
    return F.cross_entropy(out[:, :3], asked.shape) + (weight * (out[:, 3:] - target).square()).sum(1).mean()


def load(path: Path, side: int = SIDE) -> Regressor:
    """A regressor that `main` wrote."""
    model = Regressor(side)
    model.load_state_dict(load_file(path))
    return model.eval()


def row(name: str, errors: Errors) -> list[str]:
    """A line of a table: shares right with the Wilson interval of all four, and median errors."""
    right = {k: float(hits.float().mean()) for k, hits in errors.right().items()}
    together = share_interval(int(errors.right()["all four"].sum()), len(errors.scale))
    ends = f"{100 * together.low:.1f} to {100 * together.high:.1f}"
    shares = [f"{100 * right[k]:.1f}" for k in ("shape", "scale", "position", "rotation")]
    medians = [f"{float(getattr(errors, f.name).median()):.3g}" for f in fields(errors)[1:]]
    return [name, *shares, f"{100 * together.estimate:.1f} ({ends})", *medians]


HEADER = ["", "shape", "scale", "position", "rotation", "all four, %", "scale error", "pixels", "degrees"]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--side", type=int, default=SIDE)
    asked = parser.parse_args()
    model = train(asked.steps, side=asked.side)
    save_file(model.state_dict(), asked.out)
    rng = generator(1)
    held, other = draw(5000, rng), draw(5000, rng)
    clean = render(held, asked.side)
    rows = [
        row("held-out renders", Errors.between(model.read(clean), held)),
        row("the same, marred", Errors.between(model.read(marred(clean, rng)), held)),
        row("random sprites", Errors.between(model.read(render(other, asked.side)), held)),
    ]
    print(table(HEADER, rows))


if __name__ == "__main__":
    main()
