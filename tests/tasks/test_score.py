"""Scores of rows of one's own: against known energies, for folders, arrays, tables and labels."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import DataError, UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.models.net_energy import NetEnergy
from gibbsian.tasks.scores import Threshold


class Brightness(nn.Module):
    """E(x): the sum of all values; with labels y, E(x, y) = sum + 10 y."""

    def forward(self, x, y=None):
        e = x.flatten(1).sum(1)
        return e if y is None else e + 10 * y


def model(shape=(1, 4, 4), classes=0, **more) -> NetEnergy:
    return NetEnergy(Brightness(), DataSpec(shape, 0.0, 1.0, classes), **more)


def grey(levels, side=4) -> np.ndarray:
    return np.repeat(np.asarray(levels, np.uint8), side * side).reshape(-1, side, side)


def photos(folder, levels, side=4) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for level in levels:
        Image.fromarray(grey([level], side)[0]).save(folder / f"{level:03}.png")
    return str(folder)


TRAIN = grey(range(0, 200, 2))  # 100 rows of mean 0 to 198


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("n", [20, 100, 37])
def test_the_threshold_flags_the_stated_rate_of_held_out_rows(rate, n):
    energy = torch.randperm(n, generator=torch.Generator().manual_seed(0)).double()
    at = Threshold.at(rate, energy, "x")
    above = int((energy > at.value.estimate).sum())
    assert above == int(rate * n + 1e-9) and at.n == n and at.share.low <= above / n <= at.share.high
    assert at.value.low <= at.value.estimate <= at.value.high
    assert ("no rate can be set" in at.text()) == (rate * n < 1)


def test_the_interval_of_a_threshold_covers():
    """The energy that the rate is exceeded at lies inside in about 95 % of draws."""
    rng = torch.Generator().manual_seed(0)
    ends = [Threshold.at(0.2, torch.rand(80, generator=rng), "x").value for _ in range(400)]
    assert 0.9 < np.mean([e.low <= 0.8 <= e.high for e in ends]) <= 1


def test_energies_ranks_and_flags_are_those_of_the_definitions():
    asked = grey([10, 99, 255])
    found = gb.score(model(), asked, reference=TRAIN, held=TRAIN, rate=0.05)
    assert torch.allclose(found.energy, torch.tensor([10.0, 99, 255]).double() * 16 / 255)
    train = [i for i in range(100) if i not in np.random.RandomState(0).permutation(100)[-10:]]
    assert found.rank.tolist() == [np.mean([2 * i < level for i in train]) for level in (10, 99, 255)]
    assert found.threshold.value.estimate == pytest.approx(188 * 16 / 255)
    assert found.flagged.tolist() == [False, False, True] and found.names == ("0", "1", "2")
    assert "1 flagged, 33.3 %" in repr(found) and len(found) == 3


@pytest.mark.parametrize(
    "kind", ["array", "tensor", "pair", "dataset", "torch", "npz", "npy", "folder", "file"]
)
def test_every_kind_of_data_is_taken_whole(kind, tmp_path):
    x = grey([0, 51, 255])
    np.savez(tmp_path / "own.npz", x=x)
    np.save(tmp_path / "own.npy", x)
    made = {
        "array": lambda: x,
        "tensor": lambda: torch.from_numpy(x),
        "pair": lambda: (x, np.array([0, 1, 0])),
        "dataset": lambda: gb.from_arrays(x),
        "torch": lambda: torch.utils.data.TensorDataset(torch.from_numpy(x)),
        "npz": lambda: f"{tmp_path}/own.npz",
        "npy": lambda: tmp_path / "own.npy",
        "folder": lambda: photos(tmp_path / "own", [0, 51, 255]),
        "file": lambda: f"{photos(tmp_path / 'own', [51])}/051.png",
    }
    found = gb.score(model(), made[kind]())
    wanted = [3.2] if kind == "file" else [0, 3.2, 16]
    assert found.energy.tolist() == pytest.approx(wanted)
    if kind in ("folder", "file"):
        assert found.names[-1] == ("051.png" if kind == "file" else "255.png")
    assert found.rank is None and "no rank and no threshold" in found.text()


def test_subfolders_of_any_layout_mixed_sizes_and_broken_files(tmp_path):
    photos(tmp_path / "own/train/a", [0, 10], side=8)
    photos(tmp_path / "own/val", [20], side=5)
    photos(tmp_path / "own", [30])
    Image.new("RGB", (9, 4), (255, 0, 0)).save(tmp_path / "own/wide.png")
    found = gb.score(model(), tmp_path / "own")
    assert found.names == ("030.png", "train/a/000.png", "train/a/010.png", "val/020.png", "wide.png")
    assert any("brought to 4x4" in note for note in found.notes)
    (tmp_path / "own/bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="bad.png"):
        gb.score(model(), tmp_path / "own")
    with pytest.warns(UserWarning, match="left out"):
        again = gb.score(model(), tmp_path / "own", on_error="skip")
    assert again.names == found.names and again.energy.tolist() == found.energy.tolist()
    assert any("1 of 6 files could not be read" in note for note in again.notes)


def test_tables_and_numbers_have_no_sheet(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i / 10},0\n" for i in range(8)))
    found = gb.score(model((2,)), tmp_path / "t.csv")
    assert found.energy.tolist() == pytest.approx([i / 10 for i in range(8)]) and found.sheet() is None


def test_labels_are_used_only_when_asked_for(tmp_path):
    one = model(classes=2)
    photos(tmp_path / "own/cat", [0])
    photos(tmp_path / "own/dog", [0])
    x, y = grey([0, 0]), np.array([0, 1])
    assert gb.score(one, (x, y)).energy.tolist() == [0, 0]  # the least over classes
    assert gb.score(one, (x, y), label="true").energy.tolist() == [0, 10]
    assert gb.score(one, x, label=1).energy.tolist() == [10, 10]
    known = gb.from_arrays(np.repeat(x, 10, 0), np.repeat(y, 10), classes=("cat", "dog"))
    found = gb.score(one, tmp_path / "own", label="true", reference=known)
    assert found.energy.tolist() == [0, 10] and "own label" in found.text()
    for bad in ("true", "zebra", 7):
        with pytest.raises(UsageError, match="label|class"):
            gb.score(one, x, label=bad)
    with pytest.raises(UsageError, match="no labels"):
        gb.score(model(), x, label=1)


def test_the_csv_holds_every_row_and_the_density_where_it_is_claimed():
    one = model()
    found = gb.score(one, grey(range(40)), reference=TRAIN)
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert len(rows) == 40 and list(rows[0]) == ["name", "energy", "rank", "flagged"]
    one.claims_density = True
    found = gb.score(one, grey(range(40)))
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert list(rows[0]) == ["name", "energy", "neg_log_prob"] and found.text().count("\n") < 20
    assert float(rows[7]["energy"]) == found.energy[7]


ROWS = np.tile(np.stack([np.linspace(0, 1, 10), np.linspace(2, 4, 10)], 1), (10, 1))


@pytest.mark.parametrize(
    ("row", "beyond", "flagged"),
    [
        ([0.5, 3.0], 0.0, False),
        ([0.5, 1.9], 0.05, False),  # a twentieth of the second column's range below it
        ([0.5, 1.5], 0.25, True),  # its energy is lower than that of any row of the data
        ([-3.0, 3.0], 3.0, True),
        ([1.5, 9.0], 2.5, True),
    ],
)
def test_a_row_beyond_the_training_rows_is_flagged_and_told(row, beyond, flagged):
    found = gb.score(model((2,)), np.array([[0.5, 3.0], row]), reference=ROWS)
    assert found.beyond is not None and found.beyond.tolist() == pytest.approx([0, beyond], abs=1e-5)
    assert found.flagged is not None and found.flagged.tolist() == [False, flagged]
    assert ("where the energy was never trained" in found.text()) == (beyond > 0)
    assert ("beyond" in found.csv()) == (beyond > 0) == ("beyond" in found.to_dict()["rows"][0])


def test_images_lie_within_their_range_and_have_no_such_column():
    found = gb.score(model(), grey([0, 255]), reference=TRAIN)
    assert found.beyond is not None and found.beyond.tolist() == [0, 0] and "beyond" not in found.csv()


def test_the_sheet_shows_the_ends():
    found = gb.score(model(), grey([255, 0, 128] * 12))
    assert [float(x.float().mean()) for x in found.images.values()] == pytest.approx([0, 128, 255])
    assert gb.score(model(), grey([3])).sheet() is not None


def test_energies_that_are_not_finite_are_flagged():
    one = model()
    one.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    nn.init.constant_(one.net[1].weight, float("nan"))
    with pytest.raises(UsageError, match="finite"):
        gb.score(one, grey([1]), held=TRAIN)


@pytest.mark.parametrize(
    ("data", "more", "told"),
    [
        (grey([1]), {"rate": 0}, "rate is 0"),
        (grey([1]), {"rate": 1.5}, "rate is 1.5"),
        (np.zeros((3, 5)), {}, "rows of shape"),
        ("toy:ring", {}, "rows of shape"),
    ],
)
def test_wrong_words_are_one_line(data, more, told):
    with pytest.raises(UsageError, match=told):
        gb.score(model(), data, **more)
    with pytest.raises(UsageError, match="score_function"):
        gb.score(Brightness(), grey([1]))


def test_rows_with_another_number_of_columns_are_refused():
    with pytest.raises(UsageError, match=r"rows of shape \(3,\), this model takes \(2,\)"):
        gb.score(model((2,)), np.zeros((5, 3), np.float32))
