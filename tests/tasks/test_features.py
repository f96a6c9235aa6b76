"""The classifiers behind the measures: those in the package, training, caching, refusals."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from experiments.features import main
from gibbsian.core.errors import DataError, UsageError
from gibbsian.core.random import generator
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.load import load
from gibbsian.tasks import features
from gibbsian.tasks.classifier import read_classifier, save_classifier, unpack
from gibbsian.tasks.features import ASSETS, SHIPPED, classifier_for, load_classifier, train_classifier

EVERY = [(name, role) for name, roles in SHIPPED.items() for role in roles]
REAL = Path(os.environ.get("GIBBSIAN_DATA") or Path(__file__).parents[3] / "shared" / "data")
LEAST = {"digits": 0.97, "mnist": 0.98, "fashion_mnist": 0.87, "cifar10": 0.5}


def few(n: int = 96) -> Dataset:
    return load("digits").take(n)


@pytest.mark.parametrize(("name", "role"), EVERY)
def test_what_is_in_the_package(name, role):
    classifier = load_classifier(name, role)
    path = ASSETS / (f"{name}.safetensors" if role == "features" else f"{name}-{role}.safetensors")
    assert path.stat().st_size < 300_000
    assert json.loads(path.with_suffix(".json").read_text()) == classifier.record
    assert classifier.record["test_accuracy"] >= LEAST[name] and len(classifier.classes) == 10
    assert classifier.name == f"gibbsian-small-v2/{name}" + ("-judge" if role == "judge" else "")
    x = torch.zeros(3, *classifier.event_shape)
    assert classifier.net.body[-1].__class__ is (nn.Tanh if role == "features" else nn.ReLU)
    assert classifier.features(x).shape == (3, 64) and classifier.probabilities(x).shape == (3, 10)


def test_nothing_else_is_in_the_package():
    names = {p.name for p in ASSETS.iterdir()}
    stems = {name if role == "features" else f"{name}-{role}" for name, role in EVERY}
    assert names == {f"{stem}.{end}" for stem in stems for end in ("safetensors", "json")}


@pytest.mark.parametrize("role", ["features", "judge"])
def test_recorded_accuracy_is_that_of_the_stored_weights(role):
    test, classifier = load("digits", "test"), load_classifier("digits", role)
    right = (classifier.probabilities(test.x).argmax(1) == test.y).double().mean()
    assert float(right) == pytest.approx(classifier.record["test_accuracy"], abs=1e-4)
    assert classifier.record["fingerprint"] == load("digits").fingerprint


def test_features_and_judge_are_different_nets():
    x = load("digits", "test").x[:50]
    one, two = load_classifier("digits"), load_classifier("digits", "judge")
    assert one.sha256 != two.sha256 and not torch.allclose(one.features(x), two.features(x), atol=0.1)


def test_every_way_of_giving_an_image_gives_the_same_numbers():
    data, classifier = load("digits", "test").take(40), load_classifier("digits")
    want = classifier.features(data.x)
    index = torch.arange(40)
    torch.testing.assert_close(classifier.features(data.batch(index, -1.0, 1.0).x), want)
    torch.testing.assert_close(classifier.features(data.batch(index, 0.0, 1.0).x, low=0.0, high=1.0), want)
    torch.testing.assert_close(classifier.features(data.x, chunk=7), want)


def test_it_only_evaluates():
    x = torch.rand(5, 1, 8, 8, generator=generator(0)).requires_grad_()
    classifier, state = load_classifier("digits"), torch.random.get_rng_state()
    out = classifier.features(x), classifier.probabilities(x)
    assert not any(o.requires_grad for o in out) and not classifier.net.training
    assert not any(p.requires_grad for p in classifier.net.parameters())
    assert bool((out[1] >= 0).all()) and bool((out[1].sum(1) < 0.5).all())  # noise is no digit
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_same_seed_gives_the_same_net_and_leaves_the_global_generator():
    state = torch.random.get_rng_state()
    one, two, other = (train_classifier(few(), generator(s), updates=2) for s in (1, 1, 2))
    assert one.sha256 == two.sha256 != other.sha256
    assert torch.equal(state, torch.random.get_rng_state())


def test_training_learns():
    trained = train_classifier(load("digits"), generator(0), updates=250, test=load("digits", "test"))
    assert trained.record["test_accuracy"] > 0.8


def test_stored_weights_come_back_bit_for_bit(tmp_path):
    trained = train_classifier(few(), generator(1), updates=1)
    save_classifier(trained, tmp_path / "net.safetensors")
    again = read_classifier(tmp_path / "net.safetensors")
    x = load("digits", "test").x[:20]
    assert torch.equal(trained.features(x), again.features(x)) and again.record == trained.record
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_small_sets_are_not_passed_over_for_ever(monkeypatch) -> None:
    monkeypatch.setattr("gibbsian.tasks.features.MOST", 2)
    own = replace(few(), name="photographs")
    assert train_classifier(own, generator(1)).record["updates"] == 2 * 2


def test_eight_bits_are_within_half_a_step():
    trained = train_classifier(few(), generator(1), updates=1)
    net = trained.net
    for key, value in unpack(features.pack(net)).items():
        rows = net.state_dict()[key].flatten(1) if value.dim() > 1 else value[None]
        step = rows.abs().amax(1, keepdim=True) / 127
        assert bool(((value.reshape(rows.shape) - rows).abs() <= 0.51 * step + 1e-12).all())


def test_others_are_trained_once_and_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "MOST", 1)
    x = load("digits").x[:64].numpy().repeat(2, 1).repeat(2, 2)
    data = from_arrays(x, load("digits").y[:64], name="mine")
    first = classifier_for(data, cache=tmp_path, progress=False)
    judge = classifier_for(data, "judge", cache=tmp_path, progress=False)
    assert first.event_shape == (1, 16, 16) and first.sha256 != judge.sha256
    monkeypatch.setattr(features, "train_classifier", None)
    assert classifier_for(data, cache=tmp_path).sha256 == first.sha256
    assert all(p.name.startswith("gibbsian-small-v2-") for p in tmp_path.iterdir())  # none of another version
    with pytest.raises(TypeError):
        classifier_for(data.take(32), cache=tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", None], ids=["empty", "text", "other weights"])
def test_a_damaged_one_is_trained_again_in_one_line(content, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(features, "MOST", 1)
    data = replace(few(64), name="mine")
    first = classifier_for(data, cache=tmp_path, progress=False)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content if content is not None else path.read_bytes()[:-4] + b"abcd")
    assert classifier_for(data, cache=tmp_path, progress=False).sha256 == first.sha256
    assert capsys.readouterr().err.count("\n") == 1 and read_classifier(path).sha256 == first.sha256


def test_the_packages_own_is_used_only_where_it_fits(tmp_path, monkeypatch):
    assert classifier_for(few(), cache=tmp_path).sha256 == load_classifier("digits").sha256
    monkeypatch.setattr(features, "train_classifier", None)
    with pytest.raises(TypeError):
        classifier_for(load("digits", size=12), cache=tmp_path)


def test_data_without_labels_or_pixels_is_refused(tmp_path):
    with pytest.raises(UsageError, match="has no labels"):
        classifier_for(from_arrays(np.zeros((5, 8, 8), np.uint8)), cache=tmp_path)
    with pytest.raises(UsageError, match="needs images"):
        train_classifier(load("toy:ring"), generator(0))
    with pytest.raises(UsageError, match="there is one for digits, mnist, fashion_mnist"):
        load_classifier("cifar10", "judge")
    with pytest.raises(UsageError, match="did you mean 'judge'"):
        load_classifier("digits", "juge")


def test_images_of_another_shape_are_refused():
    with pytest.raises(UsageError, match=r"\(1, 8, 8\), got \(1, 28, 28\)"):
        load_classifier("digits").features(torch.zeros(2, 1, 28, 28))


def test_damaged_files_are_one_line(tmp_path):
    good, bad = ASSETS / "digits.safetensors", tmp_path / "net.safetensors"
    raw = good.read_bytes()
    weights = load_file(good)
    flipped = {**weights, "head.bias": -weights["head.bias"]}
    with pytest.raises(DataError):
        read_classifier(bad)
    for content in (b"", b"hello", raw[:1000], raw[:-10]):
        bad.write_bytes(content)
        with pytest.raises(DataError, match="is not a classifier") as error:
            read_classifier(bad)
        assert "\n" not in str(error.value)
    save_file(weights, bad)
    with pytest.raises(DataError, match="is not a classifier"):
        read_classifier(bad)
    save_file(flipped, bad, {"record": json.dumps(record_of(good))})
    with pytest.raises(DataError, match="not those of its record"):
        read_classifier(bad)


def record_of(path: Path) -> dict[str, object]:
    classifier = read_classifier(path)
    return classifier.record | {"event_shape": classifier.event_shape, "classes": classifier.classes}


def test_the_command_writes_weights_and_record(tmp_path, capsys):
    main(["train", "digits", "--updates", "1", "--out", str(tmp_path)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["digits.json", "digits.safetensors"]
    assert "accuracy" in capsys.readouterr().err
    assert json.loads((tmp_path / "digits.json").read_text())["updates"] == 1


@pytest.mark.data
@pytest.mark.parametrize(("name", "role"), [pair for pair in EVERY if pair[0] != "digits"])
def test_recorded_accuracy_on_real_data(name, role):
    if not REAL.is_dir():
        pytest.skip(f"no data sets in {REAL}: set GIBBSIAN_DATA")
    test, classifier = load(name, "test", data_dir=REAL), load_classifier(name, role)
    right = (classifier.probabilities(test.x).argmax(1) == test.y).double().mean()
    assert float(right) == pytest.approx(classifier.record["test_accuracy"], abs=5e-4)
