"""Masks, noises, image files: which pixels, how many, and one line for mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.tasks.restore.corruption import GaussianNoise, HiddenPixels, SaltPepper, known_pixels, noise_of


def missing(text: str, shape=(1, 4, 6), n: int = 1, **more) -> torch.Tensor:
    known = known_pixels(text, n, shape, generator(0), **more)
    assert known.shape == (n, 1, *shape[1:]) and known.dtype == torch.bool
    return ~known[:, 0]


def test_masks_hide_what_they_say():
    assert missing("bottom")[0].any(1).tolist() == [False, False, True, True]
    assert missing("rows")[0].all(1).tolist() == [False, True, False, True]
    assert missing("rows:1,3")[0].all(1).tolist() == [False, True, True, False]
    box = missing("rectangle:1,2,3,2")[0]
    assert box[2:4, 1:4].all() and int(box.sum()) == 6
    few = missing("random:0.25", (1, 40, 40), n=6)
    assert float(few.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert not torch.equal(few[0], few[1])
    assert (missing("random:0.01", (1, 2, 2), n=50).flatten(1).sum(1) == 1).all()


def test_a_painted_mask_is_white_where_pixels_are_unknown(tmp_path):
    painted = np.zeros((4, 6), np.uint8)
    painted[1, 2:4] = 255
    Image.fromarray(painted).save(tmp_path / "m.png")
    assert torch.equal(missing(str(tmp_path / "m.png"), n=2)[1], torch.from_numpy(painted > 0))
    Image.fromarray(painted.repeat(2, 0).repeat(2, 1)).save(tmp_path / "large.png")
    with pytest.raises(UsageError, match=r"12 x 8 pixels .* 6 x 4.*--fit"):
        missing(str(tmp_path / "large.png"))
    assert torch.equal(missing(str(tmp_path / "large.png"), fit=True)[0], torch.from_numpy(painted > 0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("botom", "did you mean 'bottom'"),
        ("rectangle:1,2", "4 numbers"),
        ("rectangle:4,0,3,1", "leaves the image"),
        ("rows:3,3", "rows go from 0 to 4"),
        ("rows:0,4", "every pixel unknown"),
        ("random:1.5", "between 0 and 1"),
        ("random:x", "1 numbers"),
        ("none.png", "no mask file"),
    ],
)
def test_wrong_masks_are_one_line(text, words):
    with pytest.raises(UsageError, match=words) as error:
        missing(text)
    assert "\n" not in str(error.value)


def test_hidden_pixels_are_gone_and_the_others_untouched():
    x = torch.rand(3, 3, 4, 4, generator=generator(1))
    hidden = HiddenPixels("bottom").apply(x, 0.0, 1.0, generator(0))
    assert torch.equal(hidden.x[:, :, :2], x[:, :, :2]) and bool((hidden.x[:, :, 2:] == 0.5).all())
    assert not hidden.informative and hidden.sigma is None


def test_gaussian_noise_has_its_deviation_in_the_models_units():
    x = torch.zeros(50, 1, 20, 20)
    noisy = GaussianNoise(0.3).apply(x, -1.0, 1.0, generator(0))
    assert noisy.sigma == pytest.approx(0.6) and noisy.known is None
    assert float(noisy.x.std()) == pytest.approx(0.6, abs=0.015)
    assert torch.equal(GaussianNoise(0.3).observed(x, -1.0, 1.0, generator(0)).x, x)


def test_salt_and_pepper_take_half_of_the_share_each_in_all_channels():
    x = torch.full((40, 3, 20, 20), 0.5)
    noisy = noise_of("salt_pepper:0.1,0.1,0.9").apply(x, 0.0, 1.0, generator(0)).x
    dark, bright = ((noisy - v).abs() < 1e-6 for v in (0.1, 0.9))
    assert float(dark.float().mean()) == pytest.approx(0.05, abs=0.006)
    assert float(bright.float().mean()) == pytest.approx(0.05, abs=0.006)
    assert torch.equal(dark.all(1), dark.any(1)) and torch.equal(bright.all(1), bright.any(1))
    assert bool((noisy[~(dark | bright)] == 0.5).all())


def test_outlier_masks_find_extremes_or_those_that_stand_out():
    x = torch.full((1, 1, 5, 5), 0.4)
    x[..., :2] = 0.0
    x[0, 0, 2, 4] = 1.0
    extremes = ~SaltPepper(0.1, outlier_mask="extremes").observed(x, 0.0, 1.0, generator(0)).known
    outliers = ~SaltPepper(0.1, outlier_mask="outliers").observed(x, 0.0, 1.0, generator(0)).known
    assert int(extremes.sum()) == 11 and bool(extremes[..., :2].all())
    assert outliers.nonzero().tolist() == [[0, 0, 2, 4]]
    assert SaltPepper(0.1, outlier_mask="none").observed(x, 0.0, 1.0, generator(0)).known is None


def test_names_of_noises_lead_back_to_them():
    for text in ("gaussian:0.3", "salt_pepper:0.1", "salt_pepper:0.1,0.1,0.9"):
        assert noise_of(text).name == text
    assert HiddenPixels("rows").name == "rows"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gausian:0.3", "unknown noise"),
        ("gaussian:-1", "sigma"),
        ("gaussian", "1 numbers"),
        ("salt_pepper:0.1,0.9", "1 or 3 numbers"),
        ("salt_pepper:2", "between 0 and 1"),
        ("salt_pepper:0.1,0.9,0.1", "below a bright one"),
    ],
)
def test_wrong_noises_are_one_line(text, words):
    with pytest.raises(UsageError, match=words) as error:
        noise_of(text)
    assert "\n" not in str(error.value)
