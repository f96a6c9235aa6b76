"""Translation: chains from images of another domain, measures of what changed and what stayed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.dataset import from_arrays
from gibbsian.report.pictures import pictured
from gibbsian.tasks.convert.chain import translate, translation
from gibbsian.tasks.convert.domains import source_images
from gibbsian.tasks.convert.translation import Domains, Translation, compare, sheet
from gibbsian.train.load import from_run
from gibbsian.train.recipes import resolve

TINY = {"net.hidden": [8]}
SIDE = 62  # of a digit in a picture: framed, enlarged six times, and the gap


def small(name: str, **changes: object):
    return from_run(resolve(name, data="digits", changes=TINY | changes), (1, 8, 8)).model.eval()


def images(n: int, value: float) -> torch.Tensor:
    rng = generator(int(value * 100))
    return (value + 0.2 * torch.randn(n, 1, 8, 8, generator=rng)).clamp(-1, 1)


def test_a_chain_of_the_law_begins_at_the_source():
    model, x = small("igebm"), images(5, 0.3)
    stage = next(translation(model, x, steps=7).stages(5, generator(0)))
    assert torch.equal(stage.position, x) and stage.steps == 7
    own = model.record.config.sampling.steps
    assert next(translation(model, x).stages(5, generator(0))).steps == own
    moved, film = translate(model, x, rng=generator(1), steps=3)
    assert moved.shape == x.shape and film.made == 3 and not torch.equal(moved, x)


def test_a_class_is_asked_of_conditional_models_only():
    model, x = small("igebm", **{"net.classes": 3, "net.head": "logits"}), images(4, 0.0)
    energy = next(translation(model, x, to=2).stages(4, generator(0))).energy
    assert torch.allclose(energy(x), model.energy(x, torch.full((4,), 2)))
    with pytest.raises(UsageError, match="say which one with --to"):
        translation(model, x)
    with pytest.raises(UsageError, match="class 3 is unknown"):
        translation(model, x, to=3)
    with pytest.raises(UsageError, match="no labels"):
        translation(small("igebm"), x, to=1)
    with pytest.raises(UsageError, match=r"have shape \(1, 4, 4\)"):
        translation(small("igebm"), torch.zeros(2, 1, 4, 4))


def test_levels_of_noise_are_begun_at_where_asked():
    """More noise moves an image further from its source; the first stage begins with just that noise."""
    net = {"net.name": "residual_mlp", "net.width": 16, "net.hidden": None}
    made = resolve("noise_energy", data="digits", changes={k: v for k, v in net.items() if v})
    model, x = from_run(made, (1, 8, 8)).model.eval(), images(400, -0.5)
    stage = next(translation(model, x, noise=0.15, steps=4).stages(400, generator(0)))
    assert float((stage.position - x).std()) == pytest.approx(0.3, rel=0.03)
    far = [float((translate(model, x, rng=0, noise=s)[0] - x).square().mean()) for s in (0.05, 0.2, 0.8)]
    assert far[0] < 0.5 * far[1] and far[1] < 0.8 * far[2]
    with pytest.raises(UsageError, match="knows no levels of noise"):
        translate(small("igebm"), images(3, 0.0), noise=0.1)
    with pytest.raises(UsageError, match="noise"):
        translate(model, images(3, 0.0), noise=0.0)


def test_a_model_made_for_it_brings_its_own_chain():
    model = small("cfebm", mode="translate")
    moved, film = translate(model, images(3, -0.5), rng=generator(0), steps=4)
    assert film.made == 4 and bool((moved.abs() <= 1).all())
    with pytest.raises(UsageError, match="no data of full size|latents|can begin at data"):
        translate(small("gebm"), images(3, 0.0), rng=generator(0), steps=1)


@pytest.fixture
def domains(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("gibbsian.tasks.convert.domains.UPDATES", 20)
    dark, light = (
        from_arrays((images(64, v)[:, 0] * 127.5 + 127.5).to(torch.uint8), name=name)
        for v, name in ((-0.6, "dark"), (0.6, "light"))
    )
    return Domains(dark, light)


def test_a_perfect_translation_and_none_at_all(domains):
    source, held = images(40, -0.61), images(40, 0.61)
    none = compare(domains, source, source, held, seed=0, steps=0)
    perfect = compare(domains, source, -source, held, seed=0, steps=1, pairs=-source)
    assert none.rows["translated"]["judged"].estimate == 0.0
    assert perfect.rows["translated"]["judged"].estimate == 1.0
    distance = {k: r["class_feature_distance"].estimate for k, r in perfect.rows.items()}
    assert distance["translated"] < 0.1 * distance["source"]
    assert none.content["to its source"].estimate == 0.0 < none.content["to another source"].estimate
    assert perfect.content["to its pair"].estimate == 0.0 < perfect.content["to another pair"].estimate


def test_content_distance_is_in_unit_pixels(domains):
    source = torch.full((3, 1, 8, 8), -1.0)
    found = compare(domains, source, -source, images(9, 0.6), seed=0, steps=1)
    assert found.content["to its source"].estimate == pytest.approx(1.0)
    told = found.to_dict()
    assert told["n"] == 3 and set(told["measures"]) == set(found.rows) and isinstance(found, Translation)
    assert "content distance" in found.text() and found.figures() == {}


def test_pictures_hold_eight_bits():
    assert pictured(torch.tensor([[[[0.0, 0.5, 2.0]]]]), 0.0, 1.0).flatten().tolist() == pytest.approx(
        [-1.0, 128 / 127.5 - 1, 1.0], abs=1e-6
    )
    model, x = small("igebm"), images(3, 0.0)
    moved, film = translate(model, x, rng=generator(0), steps=2)
    assert sheet(model, x, moved, film).size == (3 * SIDE - 2, 3 * SIDE - 2)
    assert sheet(model, x, moved, film, pairs=x).size == (3 * SIDE - 2, 4 * SIDE - 2)


def test_sources_by_name_and_by_run(tmp_path):
    for k in range(20):
        Image.fromarray(np.full((8, 8), k, np.uint8)).save(tmp_path / f"{k}.png")
    model = small("igebm")
    named = source_images(model, "digits", "digits", n=10)
    assert named.x.shape == (10, 1, 8, 8) and named.pairs is None and named.name == "digits"
    own = source_images(model, "digits:to:digits", n=5, to=3)
    assert 20 < len(own.held) < 60 and 100 < len(own.domains.target) < 200
    assert own.domains.whole is not None and len(own.domains.whole.y.unique()) == 10
    both = f"digits:to:folder:{tmp_path}"
    assert source_images(model, both, "digits", n=5).domains.target.name == f"folder:{tmp_path}"
    with pytest.raises(UsageError, match="holds no images of another domain"):
        source_images(model, "digits")
    with pytest.raises(UsageError, match="the model takes"):
        source_images(
            from_run(resolve("igebm", data="digits", changes=TINY), (1, 9, 9)).model, "digits", "digits"
        )
