"""Features without labels: spoiled images must come out worse than clean ones, or they judge nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.metrics.frechet import frechet_distance
from gibbsian.tasks.feature_names import FEATURES, features_named
from gibbsian.tasks.random_features import NAME, RandomFeatures

N = 100


def drawn_photos(n: int, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    """Photographs of a kind: a gradient in colour with a disc or a box on it, in grain."""
    r, images = np.random.default_rng(0), []
    for _ in range(n):
        height, width = 4 * size[0], 4 * size[1]
        ends, t = r.integers(0, 256, (2, 3)), np.linspace(0, 1, height)[:, None, None]
        image = Image.fromarray((ends[0] * (1 - t) + ends[1] * t + np.zeros((1, width, 1))).astype(np.uint8))
        x, y, s = *(int(v) for v in r.integers(10, 40, 2)), int(r.integers(8, 20))
        shape = ImageDraw.Draw(image).ellipse if r.random() < 0.5 else ImageDraw.Draw(image).rectangle
        shape((x, y, x + s, y + s), fill=tuple(int(v) for v in r.integers(0, 256, 3)))
        images.append(np.asarray(image.resize(size[::-1])))
    return np.stack(images)


def sets(name: str) -> tuple[gb.Dataset, torch.Tensor]:
    """Training images, and uint8 held-out ones."""
    if name == "digits":
        return gb.dataset("digits"), gb.dataset("digits", "test").x[: 2 * N]
    size = {"photos": (16, 16), "wide photos": (12, 20)}[name]
    x = drawn_photos(500, size)
    return gb.from_arrays(x[2 * N :]), torch.from_numpy(x[: 2 * N])


def each(x: torch.Tensor, change) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(change(Image.fromarray(a))) for a in x.numpy()]))


def noised(x: torch.Tensor, levels: float) -> torch.Tensor:
    xi = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + levels * xi).clamp(0, 255).round().to(torch.uint8)


def half_of_the_modes(x: torch.Tensor) -> torch.Tensor:
    """The darker half, as often again."""
    dark = x[x.float().flatten(1).mean(1).argsort()[: len(x) // 2]]
    return torch.cat([dark, dark])


SPOILED = {
    "blurred": lambda x: each(x, lambda image: image.filter(ImageFilter.GaussianBlur(1))),
    "noised": lambda x: noised(x, 25),
    "mode-dropped": half_of_the_modes,
    "a few, repeated": lambda x: x[:8].repeat(len(x) // 8 + 1, *[1] * (x.dim() - 1))[: len(x)],
    "darkened": lambda x: (x.float() * 0.7).to(torch.uint8),
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("name", ["digits", "photos", "wide photos"])
def test_spoiled_images_are_worse_than_clean_ones(name, how):
    train, held = sets(name)
    space = RandomFeatures(train)
    reference, clean = space.features(held[:N]), held[N:]
    floor, found = (frechet_distance(space.features(x), reference) for x in (clean, SPOILED[how](clean)))
    assert found > 1.05 * floor, (found, floor)


def test_more_spoiling_is_worse():
    train, held = sets("photos")
    space = RandomFeatures(train)
    reference = space.features(held[:N])
    found = [frechet_distance(space.features(noised(held[N:], s)), reference) for s in (0, 12, 25, 50, 100)]
    assert found == sorted(found)


def test_the_space_is_the_same_for_the_same_images():
    train = gb.dataset("digits")
    one, two, other = RandomFeatures(train), RandomFeatures(train), RandomFeatures(train.take(500))
    x = train.x[:5]
    assert torch.equal(one.features(x), two.features(x)) and one.sha256 == two.sha256 != other.sha256
    floats = train.batch(torch.arange(5), 0.0, 1.0).x
    assert torch.allclose(one.features(x), one.features(floats, low=0.0, high=1.0), atol=1e-4)
    assert one.features(x).shape == (5, 32) and one.name == NAME


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (2, 3), (31, 17), (40, 40, 3)])
def test_features_by_name_take_images_of_any_shape(shape):
    r = np.random.default_rng(0)
    train = gb.from_arrays(r.integers(0, 256, (12, *shape), dtype=np.uint8), images=True)
    for name in ("random", "pixels", "digits", "mnist", "cifar10"):
        space = features_named(name, train)
        found = space.features(train.x)
        assert len(found) == 12 and bool(found.isfinite().all()) and len(space.sha256) == 64


def test_names_are_checked():
    unlabelled = gb.from_arrays(drawn_photos(20))
    assert features_named(None, unlabelled).name == NAME
    assert features_named(None, gb.dataset("digits")).name == "gibbsian-small-v2/digits"
    assert features_named("cifar10", unlabelled).name == "gibbsian-small-v2/cifar10 at 32x32"
    with pytest.raises(UsageError, match="no labels.*random"):
        features_named("classes", unlabelled)
    with pytest.raises(UsageError, match="did you mean 'random'"):
        features_named("randon", unlabelled)
    assert set(FEATURES) >= {"classes", "random", "digits", "cifar10"}
