"""Pictures by which samples show themselves."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gibbsian.core.random import generator
from gibbsian.report.notebook import picture, png


@pytest.mark.parametrize("shape", [(5, 1, 20, 20), (5, 3, 20, 20), (70, 1, 16, 16)])
def test_images_make_a_grid(shape) -> None:
    raw = png(torch.rand(shape, generator=generator(0)), 0.0, 1.0)
    assert raw is not None and Image.open(io.BytesIO(raw)).format == "PNG"


def test_the_range_is_black_to_white() -> None:
    x = torch.stack([torch.full((1, 20, 20), -3.0), torch.full((1, 20, 20), 5.0)])
    pixels = np.asarray(picture(x, -3.0, 5.0))
    assert pixels[5, 5].tolist() == [0, 0, 0] and pixels[5, -5].tolist() == [255, 255, 255]


def test_points_lie_where_they_are() -> None:
    """Three corners of a square: the upper right one stays white. A lost point is left out."""
    x = torch.tensor([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [torch.nan, 1.0]])
    dark = np.asarray(picture(x, 0.0, 1.0)).min(2) < 128
    half = len(dark) // 2
    found = [dark[:half, :half], dark[:half, half:], dark[half:, :half], dark[half:, half:]]
    assert [bool(quarter.any()) for quarter in found] == [True, False, True, True]


@pytest.mark.parametrize("shape", [(0, 2), (4, 3), (4, 2, 8, 8), (4, 1, 2, 3, 4)])
def test_what_has_no_picture(shape) -> None:
    assert png(torch.zeros(shape), -1.0, 1.0) is None


def test_points_that_are_all_lost_or_all_one() -> None:
    assert picture(torch.full((3, 2), torch.nan), 0.0, 1.0) is None
    assert picture(torch.ones(3, 2), 0.0, 1.0) is not None
