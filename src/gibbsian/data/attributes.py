"""Attributes of sprites by name: words such as "shape=heart,x=0.3" to conditions of models."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError, unknown
from .names import SPRITE_BLOCKS, SPRITE_SHAPES, SPRITES
from .recipe import DataRecipe
from .shapes import SMALLEST, SYMMETRY, Sprites, encode

BLOCK_OF = {"shape": "shape", "scale": "scale", "x": "position", "y": "position", "rotation": "rotation"}
RANGES = {"scale": (SMALLEST, 1.0), "x": (0.0, 1.0), "y": (0.0, 1.0), "rotation": (-360.0, 360.0)}
USUAL = {"scale": 0.75, "x": 0.5, "y": 0.5, "rotation": 0.0}
GRIDS = {"shape": len(SPRITE_SHAPES), "scale": 26, "position": 17, "rotation": 36}
"""Candidates of each concept, those of the position along each axis."""


def sprite_of(text: str) -> tuple[Sprites, tuple[str, ...]]:
    """One sprite of words such as "shape=heart,scale=0.8,x=0.3,y=0.6,rotation=40", and the blocks of its
    conditions that they give; the other attributes are those of a sprite of medium size in the middle.

    Raises `UsageError` for an unknown attribute or shape, a value out of range, one of x and y without the
    other, and a rotation without a shape, which says after which angle it looks the same.
    """
    words = dict(word.strip().partition("=")[::2] for word in text.split(",") if word.strip())
    for name in words:
        if name not in BLOCK_OF:
            raise unknown("attribute", name, BLOCK_OF)
    if not words or "" in words.values():
        raise UsageError(f"attributes are '{text}': write them as shape=heart,scale=0.8")
    if ("x" in words) != ("y" in words):
        raise UsageError("a position is x and y, of which one is missing: give both, from 0 to 1")
    if "rotation" in words and "shape" not in words:
        raise UsageError(
            "rotation needs the shape, which says after which angle it looks the same: add shape=heart, or "
            "square or ellipse"
        )
    shape = words.pop("shape", None)
    if shape is not None and shape not in SPRITE_SHAPES:
        raise unknown("shape", shape, SPRITE_SHAPES)
    numbers = {name: torch.tensor([_number(name, value)]) for name, value in words.items()}
    made = {name: torch.tensor([value]) for name, value in USUAL.items()} | numbers
    given = {BLOCK_OF[name] for name in numbers} | ({"shape"} if shape else set())
    drawn = Sprites(torch.tensor([SPRITE_SHAPES.index(shape or "square")]), **made)
    return drawn, tuple(block for block in SPRITE_BLOCKS if block in given)


def _number(name: str, text: str) -> float:
    low, high = RANGES[name]
    try:
        value = float(text)
    except ValueError as error:
        raise UsageError(f"{name} is '{text}': write a number from {low:g} to {high:g}") from error
    if not low <= value <= high:
        raise UsageError(f"{name} is {text}: it goes from {low:g} to {high:g}")
    return value


def blocks_of(data: str, what: str = "this model") -> tuple[str, ...]:
    """The names of the blocks of conditions of a model that was trained on `data`.

    Raises `UsageError` for data whose conditions have no names.
    """
    name = DataRecipe.parse(data).name if data else ""
    if name not in SPRITES:
        on = f"on {name}" if name else "on arrays"
        raise UsageError(
            f"{what} was trained {on}, whose conditions have no names: train on sprites, or give conditions "
            "in Python by gibbsian.conditional and gibbsian.conjunction"
        )
    return SPRITES[name]


def alone(sprites: Sprites, block: str, blocks: tuple[str, ...]) -> Tensor:
    """Conditions `(N, D)` of models with these `blocks`, of which `block` is given and the others zeros."""
    made = [
        encode(sprites, (b,)) if b == block else torch.zeros(len(sprites.x), SPRITE_BLOCKS[b]) for b in blocks
    ]
    return torch.cat(made, 1)


def candidates(concept: str, blocks: tuple[str, ...], n: int | None = None) -> tuple[tuple[str, ...], Tensor]:
    """Values of a concept over its range, as names and conditions `(C, D)` with the other blocks zeros.

    `n` of them (for each axis of the position, default in `GRIDS`); a rotation is that of a heart, so the
    phase of other shapes. Raises `UsageError` for a concept that the conditions do not have.
    """
    if concept not in blocks:
        raise unknown("concept", concept, blocks)
    n = (n or GRIDS[concept]) if concept != "shape" else len(SPRITE_SHAPES)
    if n < 2:
        raise UsageError(f"{n} candidates: there is nothing to choose from, give 2 or more")
    at = {name: torch.full((n,), value) for name, value in USUAL.items()}
    shape = torch.full((n,), SYMMETRY.index(1))
    if concept == "shape":
        return SPRITE_SHAPES, alone(Sprites(torch.arange(n), **at), concept, blocks)
    if concept == "position":
        x, y = torch.cartesian_prod(torch.linspace(0, 1, n), torch.linspace(0, 1, n)).unbind(1)
        at = {"x": x, "y": y, "scale": x, "rotation": x}
        shape = torch.zeros(n * n, dtype=torch.int64)
        names = [f"{a:.3g}, {b:.3g}" for a, b in zip(x, y, strict=True)]
    elif concept == "scale":
        at["scale"] = torch.linspace(SMALLEST, 1, n)
        names = [f"{v:.3g}" for v in at["scale"]]
    else:
        at["rotation"] = torch.arange(n) * (360 / n)
        names = [f"{v:.4g}" for v in at["rotation"]]
    return tuple(names), alone(Sprites(shape, **at), concept, blocks)
