"""Inception from a file of one's own: the network, what is refused, and when a distance may be called FID."""

from __future__ import annotations

import os
import pickle
import warnings
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import DataError, UsageError
from gibbsian.metrics.frechet import frechet_distance
from gibbsian.tasks import inception_evaluator
from gibbsian.tasks.evaluator import evaluator_for
from gibbsian.tasks.inception import OUTPUTS, PUBLISHED, UNVERIFIED, Inception, read_inception, shapes
from gibbsian.tasks.inception_evaluator import InceptionImages, Statistics, read_statistics, verify

HAND = dict(shapes())
EXPECTED = "expected is the state_dict pt_inception-2015-12-05-6726825d.pth"


def weights() -> dict[str, torch.Tensor]:
    """Random, of such sizes that signals neither grow nor vanish."""
    rng, made = torch.Generator().manual_seed(0), {}
    for name, shape in sorted(HAND.items()):
        if name.endswith("conv.weight"):
            made[name] = torch.randn(shape, generator=rng) * (2 / prod(shape[1:])) ** 0.5
        elif name.endswith(("running_var", "bn.weight")):
            made[name] = torch.rand(shape, generator=rng) + 0.5
        else:
            made[name] = torch.randn(shape, generator=rng) * 0.1
    return made


def flat(**other: torch.Tensor) -> dict[str, torch.Tensor]:
    """A state_dict that takes no room: every tensor is one number."""
    return {name: torch.zeros(1).expand(shape) for name, shape in HAND.items()} | other


def test_it_is_the_published_network():
    """Features of another implementation (pytorch-fid's, of torchvision's blocks) with the same weights; the
    number of parameters: 21,785,568 of Inception v3 without its head, and 1,008 outputs."""
    assert sum(prod(s) for n, s in HAND.items() if "running" not in n) == 21_785_568 + 2049 * OUTPUTS
    x = torch.rand(2, 3, 40, 28, generator=torch.Generator().manual_seed(1))
    net = Inception(weights(), PUBLISHED)
    found = net.features(x, low=0.0, high=1.0)
    want = [[1.47066, 3.71227, 0.00356, 0.75301, 2.17569], [1.48663, 3.71759, 0.0092, 0.72446, 2.0498]]
    torch.testing.assert_close(found[:, [0, 400, 900, 1500, 2047]], torch.tensor(want), atol=2e-5, rtol=0)
    assert found.norm(dim=1).tolist() == pytest.approx([129.8528, 129.0181], abs=1e-3)
    answers = net.probabilities(found)
    logits = found.double() @ net.weights["fc.weight"].double().T
    torch.testing.assert_close(answers, logits.exp() / logits.exp().sum(1, keepdim=True))


def test_grey_and_stored_images_are_taken():
    net = Inception(flat(), "")
    net._seen = lambda x: x.mean((2, 3))
    stored = torch.randint(0, 256, (3, 5, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    unit = stored[:, None].float() / 255
    torch.testing.assert_close(net.features(stored), net.features(unit, low=0.0, high=1.0))
    torch.testing.assert_close(net.features(stored), net.features(2 * unit - 1))


def test_a_weight_file_is_read_and_told_by_its_digest(tmp_path):
    torch.save(flat(), tmp_path / "net.pth")
    net = read_inception(tmp_path / "net.pth")
    assert len(net.sha256) == 64 and not net.verified and net.name == UNVERIFIED
    assert Inception(flat(), PUBLISHED + 56 * "0").verified


class Code:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def scripted(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


OTHER = {
    "a pickle with code": (lambda p: p.write_bytes(pickle.dumps(Code())), "no plain table"),
    "a checkpoint with code": (lambda p: torch.save({"a": Code()}, p), "no plain table"),
    "a module": (lambda p: torch.save(torch.nn.Linear(2, 2), p), "no plain table"),
    "a script": (scripted, "no plain table"),
    "text": (lambda p: p.write_text("hello"), "no plain table"),
    "nothing": (lambda p: p.write_text(""), "no plain table"),
    "a list": (lambda p: torch.save([1], p), "holds a list"),
    "another network": (lambda p: torch.save(torch.nn.Linear(2, 2).state_dict(), p), "is missing"),
    "torchvision's": (
        lambda p: torch.save(flat(**{"fc.weight": torch.zeros(1).expand(1000, 2048)}), p),
        r"fc.weight is of shape \(1000, 2048\), not of shape \(1008, 2048\)",
    ),
    "whole numbers": (
        lambda p: torch.save(flat(**{"fc.bias": torch.zeros(1, dtype=torch.int64).expand(1008)}), p),
        "fc.bias",
    ),
    "no file": (lambda p: None, "No such file"),
    "a folder": (lambda p: p.mkdir(), "Is a directory"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_other_files_are_refused_in_a_line_and_run_nothing(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write, said = OTHER[kind]
    write(tmp_path / "net.pth")
    with pytest.raises(DataError, match=said) as told:
        read_inception(tmp_path / "net.pth")
    assert EXPECTED in str(told.value) and "\n" not in str(told.value)
    assert not (tmp_path / "ran").exists()


class Small(Inception):
    """Features of width 12: pixels in other directions."""

    def __init__(self, sha256: str) -> None:
        self.sha256, self.verified = sha256, sha256.startswith(PUBLISHED)
        self.turn = torch.randn(64, 12, generator=torch.Generator().manual_seed(0))

    def features(self, x, *, low=-1.0, high=1.0):
        x = x.float() / 127.5 - 1 if x.dtype == torch.uint8 else (x - low) * (2 / (high - low)) - 1
        return x.flatten(1) @ self.turn

    def probabilities(self, features):
        return features.softmax(1)


def measured(net: Small, statistics: Statistics | None = None) -> tuple[InceptionImages, dict[str, float]]:
    train, held = gb.dataset("digits"), gb.dataset("digits", "test")
    told = verify(net, train, statistics)
    found = InceptionImages(train, held, 100, torch.Generator().manual_seed(0), -1.0, 1.0, net).against(*told)
    return found, found.measure(train.batch(torch.arange(90)).x)


def of_training(net: Small) -> Statistics:
    features = net.features(gb.dataset("digits").x).double()
    return Statistics(features.mean(0), features.T.cov())


def test_weights_that_are_not_verified_give_no_fid():
    found, numbers = measured(Small("0"))
    assert not {"fid", "inception_score"} & set(numbers) and numbers["feature_distance"] > 0
    assert found.record["features"] == UNVERIFIED
    assert any("weights not verified" in n and "not an FID" in n for n in found.notes)


def test_the_published_digest_gives_the_distance_to_held_out_images_its_name():
    found, numbers = measured(Small(PUBLISHED))
    assert numbers["fid"] == numbers["feature_distance"] and 1 < numbers["inception_score"] <= 12
    assert any("by their SHA-256" in n for n in found.notes)


def test_statistics_that_are_met_verify_other_weights_and_are_what_the_fid_is_from():
    net = Small("0")
    found, numbers = measured(net, of_training(net))
    features = net.features(gb.dataset("digits").x)
    assert any("statistics are met" in n for n in found.notes) and found.record["features"] != UNVERIFIED
    want = frechet_distance(features[:90], features)
    assert numbers["fid"] == pytest.approx(want, rel=1e-6) != numbers["feature_distance"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: Statistics(s.mu + 1, s.sigma), "times as far"),
        (lambda s: Statistics(s.mu, 1.5 * s.sigma), "variance"),
    ],
)
def test_statistics_that_are_not_met_verify_nothing(change, said):
    net = Small("0")
    found, numbers = measured(net, change(of_training(net)))
    assert "fid" not in numbers and any(
        "not met" in n and said in n and "not an FID" in n for n in found.notes
    )
    published = Small(PUBLISHED)
    found, numbers = measured(published, change(of_training(published)))
    assert numbers["fid"] == numbers["feature_distance"] and any("not met" in n for n in found.notes)


def test_statistics_are_read_without_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inception_evaluator, "WIDTH", 3)
    np.savez("good.npz", mu=np.arange(3.0), sigma=np.eye(3))
    assert read_statistics(Path("good.npz")).mu.tolist() == [0, 1, 2]
    np.savez("narrow.npz", mu=np.arange(2.0), sigma=np.eye(2))
    np.savez("nothing.npz", m=np.arange(2.0))
    np.savez("code.npz", mu=np.array([Code()], dtype=object), sigma=np.eye(3))
    Path("text.npz").write_text("hello")
    for name in ("narrow", "nothing", "code", "text", "none"):
        with pytest.raises(DataError, match=r"\.npz .*expected is an .npz of mu \(3,\) and sigma \(3, 3\)"):
            read_statistics(Path(f"{name}.npz"))
    assert not Path("ran").exists()


def test_files_are_named_where_features_are(tmp_path):
    rng = torch.Generator().manual_seed(0)
    with pytest.raises(DataError, match="cannot read the Inception weights"):
        evaluator_for("digits", 20, rng, features=str(tmp_path / "net.pth"))
    with pytest.raises(UsageError, match="statistics s.npz are of Inception features"):
        evaluator_for("digits", 20, rng, statistics="s.npz")
