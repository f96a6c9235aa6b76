"""Few labels on given features, and neg_log_prob as an alarm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import gibbsian as gb
from experiments.fewshot.levels import features_at
from experiments.fewshot.study import FewShot, evaluate_latents, few_shot, outliers
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.metrics.auroc import auroc

Y_TRAIN, Y_TEST = torch.arange(300) % 3, torch.arange(90) % 3


def informative(y: torch.Tensor, noise: float, seed: int) -> torch.Tensor:
    """Class centres at the corners of a triangle, in 3 of 8 numbers, under noise."""
    x = noise * torch.randn(len(y), 8, generator=generator(seed))
    x[:, :3] += torch.nn.functional.one_hot(y, 3)
    return x


def pair(noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    return informative(Y_TRAIN, noise, 0), informative(Y_TEST, noise, 1)


def found(**more) -> FewShot:
    features = {"clear": pair(0.1), "dim": pair(0.8), "empty": (torch.zeros(300, 2), torch.zeros(90, 2))}
    more = {"per_class": (1, 20), "runs": 4, "rng": generator(2), **more}
    return few_shot(features, Y_TRAIN, Y_TEST, **more)


def test_better_features_and_more_labels_score_higher() -> None:
    rows = found().accuracy
    assert rows["clear"][20].estimate == 1.0 == rows["clear"][20].high
    assert rows["dim"][1].estimate < rows["dim"][20].estimate < 1.0
    assert rows["empty"][20].estimate == pytest.approx(1 / 3), "constant features know nothing"
    assert rows["dim"][20].low <= rows["dim"][20].estimate <= rows["dim"][20].high


def test_same_generator_same_numbers_and_the_same_rows_for_every_kind() -> None:
    first, second = found(), found()
    assert first == second
    twice = few_shot({"a": pair(0.8), "b": pair(0.8)}, Y_TRAIN, Y_TEST, (3,), 3, rng=generator(0))
    assert twice.accuracy["a"] == twice.accuracy["b"], "kinds of features met different labels"
    assert found(rng=generator(3)) != first


def test_all_labels_need_one_run_and_get_wilson_s_interval() -> None:
    got = found(per_class=(0,)).accuracy["dim"][0]
    right = round(got.estimate * 90)
    assert got.estimate == pytest.approx(right / 90) and got.low < got.estimate < got.high
    assert got == found(per_class=(0,), rng=generator(9)).accuracy["dim"][0]


def test_pca_and_pixels_stand_beside() -> None:
    rows = found(pixels=pair(0.1)).accuracy
    assert set(rows) == {"clear", "dim", "empty", "PCA", "pixels"}
    assert rows["pixels"][20].estimate == 1.0


def test_small_pixels_stay_small() -> None:
    """60 columns of faint noise: in units of their own deviations they would drown the classes."""

    def faint(x: torch.Tensor, seed: int) -> torch.Tensor:
        return torch.cat([x, 1e-3 * torch.randn(len(x), 60, generator=generator(seed))], 1)

    train, test = pair(0.1)
    rows = few_shot({}, Y_TRAIN, Y_TEST, (1,), 3, rng=generator(2), pixels=(faint(train, 3), faint(test, 4)))
    assert rows.accuracy["pixels"][1].estimate > 0.99


def test_record_reads_as_table_and_json() -> None:
    report = found(per_class=(1, 0))
    lines = report.table().splitlines()
    assert lines[0].split("  ")[0] == "labels a class" and lines[0].endswith("all") and len(lines) == 5
    assert report.table(markdown=True).splitlines()[1] == "| --- | --- | --- |"
    stored = json.loads(json.dumps(report.to_dict()))
    assert stored["accuracy"]["clear"]["all"]["value"] == 1.0
    assert (stored["runs"], stored["train"], stored["test"]) == (4, 300, 90)
    assert len(stored["accuracy"]["dim"]["1"]["interval"]) == 2 and stored["auroc"] == {}


def test_outliers_are_scored_against_the_data() -> None:
    inside, far = torch.randn(600, 2, generator=generator(0)), 3 + torch.randn(40, 2, generator=generator(1))

    def neg_log_prob(x: torch.Tensor) -> torch.Tensor:
        return x.square().sum(1)

    got = outliers(neg_log_prob, inside, {"far": far, "same": inside[:300]})
    assert got["far"] == auroc(neg_log_prob(inside), neg_log_prob(far)) and got["far"].estimate > 0.95
    assert got["same"].estimate == pytest.approx(0.5, abs=0.05)
    with pytest.raises(UsageError, match="events of shape"):
        outliers(neg_log_prob, inside, {"wide": torch.zeros(5, 3)})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"runs": 1}, "runs is 1"),
        ({"per_class": (101,)}, "smallest class has 100 rows"),
        ({"per_class": (-1,)}, "per_class is"),
        ({"per_class": ()}, "per_class is"),
        ({"pixels": (torch.zeros(4, 2), torch.zeros(90, 2))}, "4 and 90 rows for 300 and 90 labels"),
    ],
)
def test_what_few_shot_refuses(more, words) -> None:
    with pytest.raises(UsageError, match=words):
        found(**more)


def test_an_unseen_class_is_refused() -> None:
    with pytest.raises(UsageError, match="label 5 of the test rows"):
        few_shot({"a": pair(1.0)}, Y_TRAIN, Y_TEST + 3, (1,), 2, rng=generator(0))


def test_latents_of_a_system_are_evaluated(tiny_run) -> None:
    changes = {"net.name": "mlp", "net.hidden": [16], "start.capacity": 20, "latent": 4}
    system = tiny_run("cebm", "digits", changes).trainer.model
    report = evaluate_latents(system, "digits", per_class=(1, 10), runs=2, others=("digits",), n=100)
    assert set(report.accuracy) == {"latents", "PCA", "pixels"}
    assert report.outliers["digits"].estimate == 0.5 and set(report.outliers) == {"digits", "noise"}
    assert report.accuracy["PCA"][10].estimate > 0.3 < report.accuracy["pixels"][10].estimate
    assert report.record == {"data": "digits", "seed": 0, "latent": 4}
    assert "AUROC of the neg_log_prob against\n  digits  0.500" in report.text()


def test_features_of_noise_levels_are_evaluated() -> None:
    model = gb.fit("noise_energy", "digits", steps=2, progress=False, **{"net.middle": 8})
    report = evaluate_latents(model, "digits", per_class=(1, 10), runs=2, n=100)
    assert set(report.accuracy) == {
        "noise 0.1",
        "noise 0.3",
        "noise 0.6",
        "noise 1",
        "noise 2",
        "PCA",
        "pixels",
    }
    assert report.record["latent"] == 8
    x = torch.rand(3, 1, 8, 8)
    clean, told = features_at(model, x, 0.5), features_at(model, x, 2.0)
    assert clean.shape == (3, 8) and not torch.allclose(clean, told)
    assert not model.net.number._forward_pre_hooks


def test_systems_without_latents_and_data_without_labels_are_refused(tiny_run, tmp_path: Path) -> None:
    other = tiny_run("igebm", "toy:ring", {"net.name": "mlp", "start.capacity": 20}).trainer.model
    with pytest.raises(UsageError, match="NetEnergy has no features"):
        evaluate_latents(other, "digits")
    np.savez(tmp_path / "bare.npz", x=np.zeros((40, 8, 8), np.uint8))
    system = tiny_run("cebm", "digits", {"net.name": "mlp", "start.capacity": 20}).trainer.model
    with pytest.raises(UsageError, match="has no labels: few-shot accuracy needs them"):
        evaluate_latents(system, str(tmp_path / "bare.npz"))
