"""The measures of docs/sprites.md: errors modulo symmetry, tolerances, views of one concept."""

from __future__ import annotations

import pytest
import torch

from experiments.sprites.bayes import Posterior
from experiments.sprites.concepts import right, views
from experiments.sprites.regressor import Errors, Regressor, marred
from gibbsian.core.random import generator
from gibbsian.data.shapes import Sprites, draw, render


def sprite(shape: int, **given: float) -> Sprites:
    at = {"scale": 0.7, "x": 0.5, "y": 0.5, "rotation": 10.0} | given
    return Sprites(torch.tensor([shape]), *(torch.tensor([at[k]]) for k in ("scale", "x", "y", "rotation")))


@pytest.mark.parametrize(("shape", "same"), [(0, 90.0), (1, 180.0), (2, 360.0)])
def test_rotations_count_modulo_the_symmetry(shape, same):
    for turn, error in ((0.0, 0.0), (4.0, 4.0), (-4.0, 4.0), (same / 2, same / 2)):
        found = Errors.between(sprite(shape, rotation=10 + same + turn), sprite(shape))
        assert float(found.rotation) == pytest.approx(error, abs=1e-3)
        assert bool(found.right()["all four"]) == (error <= 10)


@pytest.mark.parametrize(
    ("wrong", "which"),
    [({"scale": 0.76}, "scale"), ({"x": 0.57}, "position"), ({"rotation": 21.0}, "rotation"), ({}, "shape")],
)
def test_one_wrong_attribute_is_enough(wrong, which):
    found = Errors.between(sprite(2, **wrong) if wrong else sprite(1), sprite(2)).right()
    assert [k for k, hit in found.items() if not bool(hit)] == [which, "all four"]


@pytest.mark.parametrize("concept", ["shape", "scale", "position", "rotation"])
def test_views_share_the_concept_alone(concept):
    one, seen = views(concept, 6, generator(0))
    values = {
        "shape": seen.shape.float(),
        "scale": seen.scale,
        "position": seen.x + 10 * seen.y,
        "rotation": seen.phase,
    }
    spread = {k: float((v - v[0]).abs().max()) for k, v in values.items()}
    assert spread[concept] < 1e-5 and all(s > 1e-3 for k, s in spread.items() if k != concept)
    names = {
        "shape": ("square", "ellipse", "heart")[int(one.shape[0])],
        "scale": f"{float(one.scale[0]) + 0.04:.3g}",
        "position": f"{float(one.x[0]):.3g}, {float(one.y[0]):.3g}",
        "rotation": f"{360 * float(one.phase[0]):.4g}",
    }
    assert right(concept, names[concept], one)


def test_networks_take_renders():
    asked = draw(4, generator(0))
    images = render(asked)
    assert Regressor().read(marred(images, generator(1))).shape.shape == (4,)
    terms = Posterior(3)(2 * images[:, None], torch.tensor([0, 1, 2, 0]), asked)
    assert terms.shape == (4, 4) and bool(terms.isfinite().all())
