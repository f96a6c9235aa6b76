"""The comparison as a whole, on digits with an energy in closed form."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import gibbsian as gb
from gibbsian.cli.result import plain
from gibbsian.core.errors import DataError, UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.metrics.interval import Interval
from gibbsian.models.model import EnergyModel
from gibbsian.tasks.ood import measure
from gibbsian.tasks.ood.baselines import Budget
from gibbsian.tasks.ood.cells import Choice, Scored
from gibbsian.tasks.ood.measure import measure_ood
from gibbsian.tasks.ood.report import Report, short
from gibbsian.tasks.ood.sets import ImageSet


class Bright(EnergyModel):
    """S(x) = (mean of x - place)^2 of 8x8 images in [0, 1]: digits are on average .3 bright."""

    def __init__(self, place: float = 0.3) -> None:
        super().__init__(DataSpec((1, 8, 8), 0.0, 1.0))
        self.place = nn.Parameter(torch.tensor(place))

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return 100 * (x.flatten(1).mean(1) - self.place).square()

    def neg_log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.energy(x, y)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    return measure_ood(
        Bright(),
        "digits",
        against=["noise", "flipped", "svhn"],
        n=80,
        baselines=["vae"],
        budget=Budget(5, 20),
        folder=tmp_path_factory.mktemp("kept"),
        choose_on="noise",
        data_dir=tmp_path_factory.mktemp("empty"),
    )


def test_every_score_on_every_set_that_is_here(report) -> None:
    assert list(report.cells) == ["energy", "grad", "typicality", "complexity", "vae", "vae+png"]
    assert all(list(row) == ["noise", "flipped"] for row in report.cells.values())
    assert report.cells["energy"]["noise"].auroc.estimate > 0.98
    # Turning an image over changes nothing in its mean: the same scores, ties by half.
    turned = report.cells["energy"]["flipped"]
    assert turned.auroc.estimate == pytest.approx(0.5, abs=0.01)
    assert turned.fpr95.estimate == pytest.approx(0.95, abs=0.02)
    assert set(report.missing) == {"lse", "max_p", "ratio", "levels"}


def test_an_absent_set_is_a_row_and_a_note(report, monkeypatch) -> None:
    monkeypatch.setenv("GIBBSIAN_DATA", "/nowhere")
    text = report.text()
    rows = [line for line in text.splitlines() if line.startswith("svhn")]
    assert len(rows) == 6 and all("not here" in row for row in rows)
    assert "test_32x32.mat" in text and "ratio left out" in text
    assert [s["state"] == "here" for s in report.to_dict()["sets"]] == [True, True, False]


def test_the_choice_is_on_other_rows_and_out_of_the_mean(report) -> None:
    choice = report.choice
    assert choice and choice.on == "noise" and (choice.inside, choice.outside) == (80, 80)
    assert set(choice.auroc) == {"energy", "grad", "typicality", "complexity"}, (
        "baselines are not chosen from"
    )
    assert report.others == ["flipped"]
    for name, mean in report.means.items():
        assert mean.estimate == pytest.approx(report.cells[name]["flipped"].auroc.estimate)
    assert set(report.gains) == {"vae", "vae+png"}
    gain = report.means[choice.score].estimate - report.means["vae"].estimate
    assert report.gains["vae"].estimate == pytest.approx(gain)
    assert f"score to quote: {choice.score}" in report.text()


def test_plain_values_and_pictures(report) -> None:
    told = json.loads(json.dumps(plain(report.to_dict()), allow_nan=False))
    assert told["n"] == 80 and told["scores"]["energy"]["noise"]["auroc"]["interval"][1] <= 1
    assert told["bits_per_dimension"]["vae"]["digits"]["value"] > 0
    assert told["baselines"]["vae"]["made_updates"] == 20
    sheet = report.sheet()
    assert sheet.height > 4 * 56 and len(sheet.getcolors(100_000)) > 50
    pytest.importorskip("matplotlib")
    assert set(report.figures()) == {"energy", "grad", "typicality", "complexity", "vae", "vae-png"}


def test_the_same_seed_gives_the_same_numbers() -> None:
    found = [
        measure_ood(Bright(), "digits", against=["gaussian", "interpolation"], n=40, baselines=[], seed=s)
        for s in (4, 4, 5)
    ]
    first, again, other = (r.to_dict() for r in found)
    assert first == again and first != other


def test_rows_inside_are_split_between_table_and_choice() -> None:
    found = measure_ood(Bright(), "digits", n=1000, scores=["energy"], baselines=[])
    assert len(found.inside) == 200 and found.choice and found.choice.inside == 200
    assert [s.name for s in found.sets] == ["noise", "constant", "interpolation", "flipped"]


def test_a_score_that_is_not_finite_is_left_out() -> None:
    class Walled(Bright):
        def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
            s = super().energy(x)
            return torch.where(x.flatten(1).amax(1) == x.flatten(1).amin(1), torch.inf, s)

    with pytest.raises(UsageError, match="no score is left: energy gives 30 numbers that are not finite"):
        measure_ood(Walled(), "digits", against=["constant"], n=30, scores=["energy"], baselines=[])


def test_without_a_choice_all_sets_count() -> None:
    scored = {"energy": Scored(torch.arange(9.0), {"dtd": -torch.arange(9.0)})}
    x = torch.zeros(9, 2, 2, 3, dtype=torch.uint8)
    sets = [
        ImageSet("dtd", x, "test part"),
        ImageSet("svhn", x[:0], "", absent="not here, for want of files"),
    ]
    found = Report("cifar10", 0, (3, 2, 2), x, sets, scored)
    assert found.choice is None and found.others == ["dtd"] and found.gains == {}
    assert "not here, for want of files" in found.text()


def test_numbers_that_leave_the_training_rows_are_told() -> None:
    inside, away = torch.rand(10, 2), torch.tensor([[0.5, 9.0], [0.5, 0.5]])
    box = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    sets = [ImageSet("near", inside, ""), ImageSet("far", away, "")]
    told = measure._left(sets, box)
    assert len(told) == 1 and told[0].startswith("far: 50% of the rows leave the range of the training rows")
    assert measure._left(sets, (255 * box).byte()) == []


def test_short_cells() -> None:
    assert short(Interval(0.9312, 0.92, 0.944)) == ".931±.012"
    assert short(Interval(10.52, 10.5, 10.54)) == "10.520±.020"
    assert short(Interval(-0.104, -0.2, 0.0), "+.3f") == "-.104±.100"
    best = Choice(
        "noise", 5, 5, {"a": Interval(0.5, 0, 1), "b": Interval(0.7, 0, 1), "c": Interval(0.7, 0, 1)}
    )
    assert best.score == "b"


def test_what_it_refuses(tmp_path) -> None:
    def refused(told: str, kind: type = UsageError, data: str = "digits", **options) -> None:
        with pytest.raises(kind, match=told) as error:
            measure_ood(Bright(), data, **{"baselines": [], "n": 30, **options})
        assert "\n" not in str(error.value)

    refused("n is 3: take at least 20", n=3)
    refused("digits is what the model was trained on", against=["digits"])
    refused("did you mean 'energy'", scores=["enrgy"])
    refused("unknown baseline 'glow'", baselines=["glow"])
    refused("need a folder", baselines=["vae"])
    refused("no label head", scores=["energy", "lse"])
    refused("toy:ring has rows of shape", data="toy:ring")
    refused("no score can be chosen: the data set 'svhn' is not here", DataError, choose_on="svhn",
            data_dir=tmp_path)  # fmt: skip
    other = Bright()
    other.spec = replace(other.spec, event_shape=(1, 9, 9))
    with pytest.raises(UsageError, match=r"digits has rows of shape \(1, 8, 8\), the model of \(1, 9, 9\)"):
        measure_ood(other, "digits", baselines=[], n=30)


def own(kind: str, folder):
    """Ten dark images of 9 x 12, and what reads them."""
    x = np.zeros((10, 9, 12), np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None]
    for k, image in enumerate(x):
        Image.fromarray(image).save(folder / f"{k}.png")
    np.save(folder / "x.npy", x)
    return {
        "array": x,
        "tensor": torch.from_numpy(x),
        "Dataset": gb.from_arrays(x),
        "path": folder / "x.npy",
        "folder": str(folder),
        "list": ["noise", torch.from_numpy(x)],
        "by name": {"dark": x, "noise": "noise"},
    }[kind]


@pytest.mark.parametrize("kind", ["array", "tensor", "Dataset", "path", "folder", "list", "by name"])
def test_images_of_ones_own_are_inside_and_outside(kind, tmp_path):
    (tmp_path / "own").mkdir()
    against = own(kind, tmp_path / "own")
    (tmp_path / "own/x.npy").rename(tmp_path / "x.npy")
    against = tmp_path / "x.npy" if kind == "path" else against
    x = gb.dataset("digits").x
    found = gb.ood(Bright(), x[:600], held=x[600:700], against=against, scores=["energy"], choose_on="noise")
    (dark,) = [s for s in found.sets if s.name != "noise"]
    assert len(dark) == 10 and dark.x.shape[1:] == (8, 8) and "9x12" in dark.what or "8x8" in dark.what
    assert found.cells["energy"][dark.name].auroc.estimate == 1
    assert len(found.inside) == 50 and found.choice.score == "energy" and found.data == "arrays"


def test_few_test_rows_are_all_shown_and_none_is_chosen_on():
    x = gb.dataset("digits").x
    found = gb.ood(Bright(), x[:120], against="noise", scores=["energy", "grad"])
    assert len(found.inside) == 12 and found.choice is None and set(found.cells) == {"energy", "grad"}
    assert "too few to choose a score on" in found.text() and "a tenth, 12, is held out" in found.text()
    with pytest.raises(UsageError, match="too few test rows to choose on noise"):
        gb.ood(Bright(), x[:120], against="constant", choose_on="noise")
    with pytest.raises(UsageError, match="4 test rows: at least 5"):
        gb.ood(Bright(), x[:40], against="noise")


def test_broken_files_outside_are_treated_as_inside(tmp_path):
    for part in ("in", "out"):
        (tmp_path / part).mkdir()
        for k, image in enumerate(gb.dataset("digits").x[:60].numpy()):
            Image.fromarray(image).save(tmp_path / part / f"{k}.png")
    (tmp_path / "out/bad.png").write_bytes(b"no")
    with pytest.raises(DataError, match="bad.png.*on_error=skip"):
        gb.ood(Bright(), tmp_path / "in", against=tmp_path / "out", scores=["energy"])
    with pytest.warns(UserWarning, match="left out"):
        found = gb.ood(Bright(), f"{tmp_path}/in@on_error=skip", against=tmp_path / "out", scores=["energy"])
    assert len(found.sets[0]) == 60 and "could not be read" in found.sets[0].what
