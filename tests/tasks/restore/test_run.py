"""Measures by hand, nearest images by brute force, choices by validation images, a whole restoration."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.load import load
from gibbsian.tasks.restore.complete import choose, complete
from gibbsian.tasks.restore.corruption import Corrupted, GaussianNoise, HiddenPixels, SaltPepper
from gibbsian.tasks.restore.measure import CEILING, CleanImages, differences, intervals, strongest
from gibbsian.tasks.restore.methods import LikeliestClass, own_steps, usual_method
from gibbsian.tasks.restore.run import restore, restore_images
from gibbsian.tasks.restore.task import RestoreConfig as Config
from gibbsian.tasks.restore.training_images import Initialiser, TrainingImages, filled, usual_start


class Brightness:
    """A judge of two classes: dark and bright."""

    def answers(self, x, *, low, high):
        return (x.flatten(1).mean(1) > 0.5).long()


def test_measures_by_hand():
    x = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    truth = CleanImages(x, None, torch.tensor([0, 0]), Brightness())
    values = truth.values(torch.stack([x + 0.1, x]))
    assert values["psnr"].tolist() == pytest.approx([(20 + CEILING) / 2] * 2, abs=1e-4)
    assert values["label"].tolist() == [1.0, 0.0] and values["original"].tolist() == [1.0, 1.0]
    assert truth.values(1 - x)["original"].tolist() == [0.0, 0.0]
    found = intervals(truth.values(x))
    assert found["label"].estimate == 0.5 and 0 < found["label"].low < 0.2
    paired = differences({"psnr": torch.tensor([3.0, 5.0])}, {"psnr": torch.tensor([1.0, 3.0])})
    assert paired["psnr"].estimate == paired["psnr"].low == 2


def test_diversity_by_hand():
    unknown = torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    unknown[:, :, 1] = True
    a = torch.zeros(2, 1, 2, 2)
    b = a.clone()
    b[0, 0, 1] = 0.3
    found = CleanImages(a, unknown).diversity(torch.stack([a, b]))
    assert found["distance"].tolist() == pytest.approx([0.3, 0.0], abs=1e-6)
    assert found["differ"].tolist() == [1.0, 0.0]
    assert CleanImages(a).diversity(a[None]) == {}


def test_the_nearest_image_is_found_on_known_pixels_and_in_its_class():
    rng = generator(0)
    rows, y = torch.rand(50, 1, 4, 4, generator=rng), torch.arange(50) % 3
    x = torch.rand(7, 1, 4, 4, generator=rng)
    hidden = HiddenPixels("random:0.5").apply(x, 0.0, 1.0, rng)
    gallery = TrainingImages(rows.__getitem__, 50, y)
    apart = ((hidden.x[:, None] - rows[None]).square() * hidden.known[:, None]).flatten(2).sum(2)
    assert torch.equal(gallery.nearest_rows(hidden)[0], apart.argmin(1))
    assert torch.equal(gallery.nearest_rows(hidden, count=4), apart.argsort(1)[:, :4].T)
    told = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    within = apart.masked_fill(y[None] != told[:, None], torch.inf)
    assert torch.equal(gallery.nearest_rows(hidden, told)[0], within.argmin(1))
    with pytest.raises(UsageError, match="too few"):
        gallery.nearest(hidden, count=51)
    assert torch.allclose(gallery.mean, rows.mean(0), atol=1e-6)
    assert torch.equal(filled(hidden, rows[:7])[hidden.known], x[hidden.known])


def test_the_strength_of_a_filter_is_the_best_on_the_images_given():
    clean, noisy = torch.full((2, 1, 4, 4), 0.5), torch.full((2, 1, 4, 4), 0.8)
    assert strongest(lambda x, s: x - s, (0.1, 0.25, 0.6), noisy, clean) == 0.25


def test_where_chains_begin(normal):
    model = normal(torch.eye(16), torch.zeros(16), (1, 4, 4), bounds=(0.0, 1.0), steps=3)
    x = torch.rand(5, 1, 4, 4, generator=generator(0))
    hidden = HiddenPixels("bottom").apply(x, 0.0, 1.0, generator(0))
    gallery = TrainingImages(x.__getitem__, 5)
    assert usual_start(hidden) == "noise" and usual_start(Corrupted(x)) == "given"
    assert usual_start(SaltPepper(0.5).apply(x, 0.0, 1.0, generator(0))) == "median"
    for start in ("noise", "mean", "nearest", "samples", "median", "given"):
        how = Config(start=start, completions=2, candidates=6)
        begun = Initialiser(model, how, gallery, generator(1)).draw(hidden)
        assert begun.shape == (10, 1, 4, 4)
        assert torch.equal(begun[5:, :, :2], x[:, :, :2]) and begun.isfinite().all()
        if start == "nearest":
            assert torch.equal(begun[:5], x)
        if start in ("noise", "samples", "nearest"):
            assert not torch.equal(begun[:5], begun[5:])
    with pytest.raises(UsageError, match="needs training images"):
        Initialiser(model, Config(start="mean"), None, generator(1)).draw(hidden)
    with pytest.raises(UsageError, match="too few"):
        Initialiser(model, Config(start="samples", candidates=2), None, generator(1)).draw(hidden)


def test_a_start_is_for_chains_on_data(normal):
    model = normal(torch.eye(16), torch.zeros(16), (1, 4, 4), steps=3)
    noisy = Corrupted(torch.zeros(2, 1, 4, 4), sigma=1.0)
    with pytest.raises(UsageError, match="start given is for method chain, and this is tweedie"):
        complete(model, noisy, Config(method="tweedie", start="given"), rng=generator(0))


def test_the_choice_is_the_best_of_what_was_tried(normal):
    model = normal(torch.eye(16), torch.zeros(16), (1, 4, 4), steps=10)
    noisy = Corrupted(torch.full((3, 1, 4, 4), 2.0), sigma=1.0)
    best, tuned = choose(model, noisy, Config(completions=2), lambda x: -float(x.abs().mean()), "smallness")
    assert best == replace(tuned.tried[0][0], completions=2) and tuned.n == 3
    scores = [score for _, score in tuned.tried]
    assert scores == sorted(scores, reverse=True)
    assert len({c.data_weight for c, _ in tuned.tried}) > 3
    assert len({c.step_factor for c, _ in tuned.tried}) == 3
    assert best.data_weight <= 1 and best.steps > 5
    assert "smallness" in tuned.text() and "3 validation images" in tuned.text()
    config = Config(method="tweedie")
    _, moved = choose(model, noisy, config, lambda x: -float(x.abs().mean()), "smallness")
    assert [c.step_factor for c, _ in moved.tried] == [1.0, 0.3, 3.0]


@pytest.fixture
def model(normal):
    """A normal distribution fitted to the built-in digits."""
    x = load("digits").batch(torch.arange(1397), -1.0, 1.0).x.flatten(1)
    inverse = torch.linalg.inv(torch.cov(x.T) + 0.02 * torch.eye(64))
    return normal(inverse, x.mean(0), (1, 8, 8), step=0.04, bounds=(-1.0, 1.0), steps=15)


def test_a_restoration_of_the_digits_from_end_to_end(model):
    done = restore(model, "digits", HiddenPixels("bottom"), Config(steps=40, completions=2), n=12)
    baselines = {"damaged", "nearest", "mean of nearest", "mean fill"}
    assert set(done.rows) == {"ours", "ours averaged", "ours likeliest"} | baselines
    assert set(done.versus) == baselines
    assert done.rows["ours"]["differ"].estimate == 1 and done.judge.endswith("judge")
    assert set(done.rows["nearest"]) == {"psnr", "ssim", "label", "original"}
    assert len(done.energies) == 12 and len(done.energies[0]) == 2
    assert "restored/" in "".join(done.pictures) and len(done.films["restore"]) == 41
    told = json.loads(json.dumps(done.to_dict()))
    assert told["config"]["method"] == "chain" and told["config"]["steps"] == 40 and told["n"] == 12
    assert "ours less nearest: psnr" in done.text() and set(done.figures()) == {"rows"}


def test_noise_is_taken_away_and_filters_stand_beside(model, monkeypatch):
    monkeypatch.setattr("gibbsian.tasks.restore.run.VALIDATION", 12)
    done = restore(model, "digits", GaussianNoise(0.3), Config(average=True, completions=4), n=40, tune=True)
    assert set(done.versus) == {"damaged", "clamped", "TV"}
    assert done.versus["damaged"]["psnr"].low > 4
    assert done.tuned is not None and done.tuned.criterion == "PSNR" and "TV" in done.strengths
    done = restore(model, "digits", SaltPepper(0.1), Config(completions=1, steps=5), n=10)
    assert set(done.versus) == {"damaged", "TV", "median", "switching median"}


def test_images_of_yours_come_damaged_or_whole(model):
    x = load("digits", "test").batch(torch.arange(3), -1.0, 1.0).x
    done = restore_images(model, x, ["a", "b", "c"], HiddenPixels("bottom"), Config(steps=3, completions=2))
    assert not done.rows and not done.figures() and "c: energies" in done.text()
    assert {"restored/a-1", "restored/c-2", "restore"} <= set(done.pictures)
    done = restore_images(
        model, x, ["a", "b", "c"], GaussianNoise(0.2), Config(steps=3), clean=True, data="digits"
    )
    assert set(done.versus) == {"damaged", "clamped", "TV"} and done.rows["ours"]["psnr"].estimate > 0
    with pytest.raises(UsageError, match="one clean image"):
        restore_images(model, x[:1], ["a"], GaussianNoise(0.2), clean=True)


@pytest.mark.parametrize(
    ("paper", "settings"),
    [
        ("drl", {"ladder.levels": 3, "ladder.steps": 2, "net.name": "mlp", "net.hidden": (8,)}),
        ("score_matching", {"net.name": "mlp", "net.hidden": (8,), "matching.levels": 3, "chain.steps": 6}),
        ("gebm", {"net.name": "mlp", "net.hidden": (8,), "generator.name": "mlp", "generator.hidden": (8,)}),
        ("igebm", {"net.name": "mlp", "net.hidden": (8,), "net.classes": 10, "chain.steps": 2}),
    ],
)
def test_every_kind_of_chain_keeps_known_pixels(paper, settings, tiny_run):
    model = tiny_run(paper, "digits", settings).trainer.model.eval()
    spec = model.spec
    x = load("digits", "test").batch(torch.arange(4), spec.low, spec.high).x
    for corruption in (HiddenPixels("bottom"), GaussianNoise(0.3)):
        damaged = corruption.apply(x, spec.low, spec.high, generator(0))
        done = complete(model, damaged, Config(completions=2), rng=generator(1))
        assert done.method == usual_method(model, damaged) and done.x.isfinite().all()
        if damaged.known is not None:
            for one in done.x:
                assert torch.equal(torch.where(damaged.known, one, 0), torch.where(damaged.known, x, 0))
            assert not torch.equal(done.x[0], done.x[1])
    assert own_steps(model, generator(0)) >= 2


def test_a_class_left_open_is_the_likeliest():
    energy = LikeliestClass(lambda x: torch.stack([x[:, 0], -x[:, 0]], 1))
    assert energy(torch.tensor([[2.0], [-3.0]])).tolist() == [-2.0, -3.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: restore(m, "digits", GaussianNoise(0.3), n=1), "2 images or more"),
        (lambda m: restore(m, "toy:ring", GaussianNoise(0.3)), "images of the model's shape"),
        (lambda m: restore(m, "digits", GaussianNoise(0.3), label="3"), "no labels"),
        (lambda m: restore(m, "digits", GaussianNoise(0.3), label="three"), "none, true, or the name"),
        (
            lambda m: restore(m, "digits", HiddenPixels("bottom"), Config(method="tweedie")),
            "Gaussian noise away",
        ),
        (lambda m: restore(m, "digits", GaussianNoise(0.3), Config(method="anneal")), "only a drl"),
        (
            lambda m: restore(m, "digits", GaussianNoise(0.3), Config(method="latent")),
            "neither data nor the latents",
        ),
        (lambda m: Config(steps=0), "at least 1"),
        (lambda m: Config(method="chains"), "did you mean 'chain'"),
        (lambda m: Config(data_weight=-1.0), "data_weight"),
    ],
)
def test_mistakes_are_one_line(model, call, words):
    with pytest.raises(UsageError, match=words) as error:
        call(model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "painted"), [((8, 8), (8, 8)), ((24, 20), (24, 20)), ((24, 20), (8, 8)), ((16, 16), (16, 16))]
)
def test_a_photo_and_a_painted_mask_in_one_call(model, tmp_path, size, painted):
    Image.fromarray(np.full(size, 200, np.uint8)).save(tmp_path / "photo.png")
    mask = np.zeros(painted, np.uint8)
    mask[: painted[0] // 2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    how = Config(steps=1, completions=2)
    found = restore(model, None, str(tmp_path / "mask.png"), how, image=tmp_path / "photo.png")
    assert found.n == 1 and list(found.names) == ["photo"] and not found.rows


def test_without_data_or_a_photo_nothing_is_restored(model):
    with pytest.raises(UsageError, match="image="):
        restore(model, None, "bottom")


@pytest.mark.parametrize(("system", "clamped"), [("igebm", True), ("drl", False)])
def test_chains_begin_in_the_range_in_which_the_energy_was_trained(system, clamped, tiny_run):
    """A ladder was trained on noisy data, beyond it."""
    model = tiny_run(system, "digits", {"net.channels": [4, 4]}).trainer.model
    x = torch.tensor([-1.7, 0.5, 3.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8)
    begin = Initialiser(model, Config(start="given", completions=1), None, generator(0)).draw(
        Corrupted(x, sigma=0.3)
    )
    assert torch.equal(begin, x.clamp(model.spec.low, model.spec.high) if clamped else x)


def test_what_lies_beyond_the_range_is_told(tiny_run):
    model = tiny_run("igebm", "digits", {"net.channels": [4, 4], "chain.steps": 1}).trainer.model
    found = restore(model, "digits", GaussianNoise(0.5), Config(steps=1), n=2)
    assert any("where the energy was not trained: chains begin at them clamped" in n for n in found.notes)
    assert "chains begin at them clamped" in found.text()
    quiet = restore(model, "digits", "bottom", Config(steps=1), n=2)
    assert not any("clamped" in note for note in quiet.notes)
