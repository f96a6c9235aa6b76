"""The built-in sprites: rendering against closed forms, symmetries, conditions, the data sets."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data import shapes
from gibbsian.data.load import load
from gibbsian.data.names import SPRITE_BLOCKS
from gibbsian.data.shapes import SYMMETRY, Sprites, draw, encode, hats, render

HALF = 1 / 1.265  # of the heart's square, from its centre to a corner
AREAS = (2.0, math.pi / 2, 2 * HALF**2 + math.pi * HALF**2 / 2)


def sprites(shape: int, **given: float) -> Sprites:
    at = {"scale": 0.9, "x": 0.4, "y": 0.7, "rotation": 33.0} | given
    return Sprites(torch.tensor([shape]), *(torch.tensor([at[k]]) for k in ("scale", "x", "y", "rotation")))


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("scale", [0.5, 0.75, 1.0])
def test_areas_are_those_of_the_figures(shape, scale):
    for side in (32, 64):
        found = float(render(sprites(shape, scale=scale), side).sum())
        assert found == pytest.approx(AREAS[shape] * (scale * side / 4) ** 2, rel=0.03)


@pytest.mark.parametrize("shape", range(3))
def test_rotations_by_the_symmetry_look_the_same_and_no_smaller_ones(shape):
    whole = 360 / SYMMETRY[shape]
    one, same, half = (render(sprites(shape, rotation=20 + turn)) for turn in (0, whole, whole / 2))
    assert torch.allclose(one, same, atol=1e-4) and (one - half).abs().max() > 0.5


@pytest.mark.parametrize("shape", range(3))
def test_90_degrees_turn_the_image_to_the_left(shape):
    one, turned = (render(sprites(shape, x=0.5, y=0.5, rotation=r))[0] for r in (25.0, 115.0))
    assert torch.allclose(torch.rot90(one), turned, atol=1e-4)


@pytest.mark.parametrize(("x", "y"), [(0.0, 1.0), (0.5, 0.5), (0.83, 0.21)])
@pytest.mark.parametrize("shape", range(2))
def test_places_are_pixels_to_the_right_and_down(shape, x, y):
    image = render(sprites(shape, x=x, y=y))[0]
    at = torch.arange(32) + 0.5
    right, down = (image.sum(0) @ at) / image.sum(), (image.sum(1) @ at) / image.sum()
    assert (float(right), float(down)) == pytest.approx((8 + 16 * x, 8 + 16 * y), abs=0.02)


def test_no_sprite_is_cut_by_the_edge_and_half_the_side_is_the_mean_of_pixels():
    drawn = draw(300, generator(0))
    large = render(drawn, 64)
    assert large.min() == 0 and large.max() == 1
    whole = torch.tensor(AREAS)[drawn.shape] * (16 * drawn.scale) ** 2
    assert ((large.sum((1, 2)) / whole - 1).abs() < 0.03).all()
    assert (render(drawn) - large.view(300, 32, 2, 32, 2).mean((2, 4))).abs().max() < 0.3


@pytest.mark.parametrize("periodic", [False, True])
def test_hats_interpolate(periodic):
    t = torch.rand(100, generator=generator(0))
    found = hats(t, 5, periodic=periodic)
    assert torch.allclose(found.sum(1), torch.ones(100), atol=1e-6) and ((found > 0).sum(1) <= 2).all()
    knots = torch.arange(5) / (5 if periodic else 4)
    inside = t < 0.8 if periodic else t >= 0
    assert torch.allclose((found @ knots)[inside], t[inside], atol=1e-6)
    first, last = hats(torch.tensor([0.0, 1.0]), 5, periodic=True)
    assert torch.equal(first, last)


def test_conditions_are_blocks_that_sum_to_one_and_follow_the_symmetry():
    drawn = draw(50, generator(1))
    c = encode(drawn)
    sums = [block.sum(1) for block in c.split(list(SPRITE_BLOCKS.values()), 1)]
    assert torch.allclose(torch.stack(sums), torch.tensor([1.0, 1, 2, 1])[:, None].expand(4, 50), atol=1e-5)
    turned = Sprites(drawn.shape, drawn.scale, drawn.x, drawn.y, drawn.rotation + 360 / drawn.symmetry)
    assert torch.allclose(encode(turned), c, atol=1e-4)
    assert torch.equal(encode(drawn, ("rotation", "shape")), torch.cat([c[:, 25:], c[:, :3]], 1))


def test_the_sets(monkeypatch):
    monkeypatch.setattr(shapes, "SIZE", {"train": 60, "test": 20})
    train, test = load("sprites", validation=10), load("sprites", "test")
    assert len(train) == 50 and train.event_shape == (1, 32, 32) and train.cond.shape == (50, 33)
    assert torch.equal(train.x, load("sprites", validation=10).x) and not torch.equal(train.x[:20], test.x)
    for name, size in SPRITE_BLOCKS.items():
        part = load(f"sprites:{name}", "test")
        assert part.cond.shape == (20, size) and torch.equal(part.x, test.x)
    with pytest.raises(UsageError, match="unknown data set 'sprites:colour'"):
        load("sprites:colour")
