"""Augmentations: exact where they can be, at the stated rates, inside the range, from one stream."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.augment import augment, blur, crop, flip, jitter, shift
from gibbsian.data.settings import AugmentConfig

ALL = AugmentConfig(crop=1.0, flip=0.5, jitter=0.8, blur=0.5)


def images(n=6, c=3, h=8, w=10, seed=0, low=0.0, high=1.0):
    unit = torch.rand(n, c, h, w, generator=generator(seed), dtype=torch.float64)
    return low + (high - low) * unit


def changed(before, after):
    return (before != after).flatten(1).any(1)


def test_flips_are_exact():
    x = images()
    assert torch.equal(augment(x, AugmentConfig(flip=1.0), generator(0)), x.flip(-1))
    assert torch.equal(flip(flip(x, generator(0)), generator(0)), x)


def test_a_shift_is_a_crop_of_the_reflected_padding() -> None:
    x = images(n=400)
    out = shift(x, generator(1), pixels=2)
    padded = torch.nn.functional.pad(x, (2,) * 4, mode="reflect")
    boxes = [padded[:, :, i : i + 8, j : j + 10] for i in range(5) for j in range(5)]
    places = torch.stack([(out == box).flatten(1).all(1) for box in boxes])
    assert (places.sum(0) == 1).all()
    assert torch.equal(out[places[12]], x[places[12]]), "the middle box is the image itself"
    # 25 places, each with probability 1/25: mean 16, deviation 3.9; beyond 5 deviations: false alarm 1e-5.
    assert (places.sum(1) - 16).abs().max() < 20
    assert torch.equal(augment(x, AugmentConfig(shift=2), generator(1)), out) and AugmentConfig(shift=2).on
    with pytest.raises(UsageError, match="augment.shift is 8 for images of 8x10 pixels"):
        shift(x, generator(0), pixels=8)
    with pytest.raises(UsageError, match="augment.shift is -1"):
        AugmentConfig(shift=-1)


def test_a_crop_of_scale_one_is_the_identity():
    x = images(n=20, c=1)
    assert torch.allclose(crop(x, generator(1), scale=(1.0, 1.0)), x, rtol=0, atol=1e-12)


def test_a_crop_maps_a_plane_to_a_plane_of_its_share_of_the_area():
    """Of the image u = column, v = row bilinear resizing is exact inside, and the slopes tell the box."""
    h = w = 64
    v, u = torch.meshgrid(torch.arange(h).double(), torch.arange(w).double(), indexing="ij")
    x = torch.stack([u, v])[None].expand(300, 2, h, w)
    out = crop(x, generator(2), scale=(0.3, 0.6))
    middle = slice(20, 44)  # away from the repeated border
    width = out[:, 0, 32, middle].diff(dim=1).mean(1)
    height = out[:, 1, middle, 32].diff(dim=1).mean(1)
    area, ratio = width * height, width / height
    assert area.min() > 0.3 - 1e-9 and area.max() < 0.6 + 1e-9
    assert ratio.min() > 0.75 - 1e-9 and ratio.max() < 4 / 3 + 1e-9
    # Uniform shares: mean .45, variance .3^2 / 12. Beyond 5 deviations: false alarm 6e-7.
    assert abs(float(area.mean()) - 0.45) < 5 * (0.3**2 / 12 / 300) ** 0.5
    corner = out[:, 0, 32, 32] - 0.5 * width  # the box's centre in columns, less 31.5 + .5 * slope
    assert corner.min() < 24 and corner.max() > 39


@pytest.mark.parametrize("name", ["crop", "flip", "jitter", "blur"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_probabilities_are_respected(name, share):
    x = images(n=1000, h=5, w=5)
    out = augment(x, AugmentConfig(**{name: share}, blur_sigma=(0.5, 2.0)), generator(3))
    count = int(changed(x, out).sum())
    assert abs(count - 1000 * share) <= 5 * (1000 * share * (1 - share)) ** 0.5  # false alarm 6e-7


def test_same_generator_same_result_and_images_differ():
    x = images(n=1).expand(6, 3, 8, 10)
    one, two = (augment(x, ALL, generator(4)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, augment(x, ALL, generator(5)))
    assert len({tuple(image.flatten().tolist()) for image in one}) == 6
    before = torch.get_rng_state()
    augment(x, ALL, generator(6))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.1, 0.7)])
def test_the_range_is_kept(channels, low, high):
    x = images(200, channels, low=low, high=high).float().round(decimals=1).clamp(low, high)
    wild = AugmentConfig(crop=1.0, flip=0.5, jitter=1.0, strength=1.0, blur=1.0)
    out = augment(x, wild, generator(7), low=low, high=high)
    assert out.shape == x.shape and out.dtype == x.dtype
    assert float(out.min()) >= x.min() and float(out.max()) <= x.new_tensor(high)


def test_jitter_against_a_version_by_hand():
    x = images(n=4, low=-1.0, high=1.0)
    out = jitter(x, generator(8), strength=0.5, low=-1.0, high=1.0)
    factors = 0.5 + torch.rand(3, 4, generator=generator(8), dtype=torch.float64)
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    for i in range(4):
        u = ((x[i] + 1) / 2 * factors[0, i]).clamp(0, 1)
        mean = torch.einsum("chw,c->hw", u, luma).mean()
        u = (mean + factors[1, i] * (u - mean)).clamp(0, 1)
        grey = torch.einsum("chw,c->hw", u, luma)
        u = (grey + factors[2, i] * (u - grey)).clamp(0, 1)
        assert torch.allclose(out[i], 2 * u - 1, rtol=0, atol=1e-12)


def test_grey_images_have_no_saturation():
    """Three equal channels: saturation changes nothing, so one channel alone comes out the same."""
    grey = images(c=1)
    out = jitter(grey.expand(6, 3, 8, 10), generator(9), strength=0.5)
    assert torch.allclose(out[:, :1], jitter(grey, generator(9), strength=0.5), rtol=0, atol=1e-12)


def test_blur_is_a_normalised_gaussian():
    spot = torch.zeros(3, 1, 9, 9, dtype=torch.float64)
    spot[:, 0, 4, 4] = 1.0
    out = blur(spot, generator(10), sigma=(0.8, 0.8))[0, 0]
    side = (-torch.arange(-2, 3).double().square() / (2 * 0.8**2)).exp()
    side = side / side.sum()
    assert torch.allclose(out[2:7, 2:7], side[:, None] * side, rtol=0, atol=1e-12)
    flat = torch.full((2, 3, 8, 8), 0.4, dtype=torch.float64)
    assert torch.allclose(blur(flat, generator(11)), flat, rtol=0, atol=1e-15)


def test_points_and_absent_changes_pass_through_without_a_draw():
    rng = generator(12)
    before = rng.get_state()
    points, x = torch.randn(5, 2, generator=generator(0)), images()
    assert augment(points, ALL, rng) is points
    assert augment(x, AugmentConfig(), rng) is x and not AugmentConfig().on and ALL.on
    assert torch.equal(rng.get_state(), before)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"crop": 1.5}, "augment.crop is 1.5"),
        ({"flip": -0.1}, "augment.flip"),
        ({"strength": 2.0}, "augment.strength"),
        ({"crop_scale": (0.0, 1.0)}, "crop_scale"),
        ({"crop_scale": (0.9, 0.8)}, "crop_scale"),
        ({"blur_sigma": (0.0, 1.0)}, "blur_sigma"),
    ],
)
def test_bad_settings_are_one_line(values, line):
    with pytest.raises(UsageError, match=line):
        AugmentConfig(**values)
