"""`gibbsian translate` on tiny runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

TINY = (
    "--data digits:to:digits --steps 3 --stages.fade [1] --stages.hold [0] --chain.steps 2 --net.hidden [8]"
)
SMALL = "--train.batch_size 8 --net.hidden [8] --train.sample_every 2"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from gibbsian.cli.main import main

    out = tmp_path_factory.mktemp("translate") / "run"
    words = f"train cfebm --preset digits --mode translate {TINY} --source.steps 2"
    assert main([*words.split(), *SMALL.split(), "--out", str(out)]) == 0
    return out


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("gibbsian.tasks.convert.domains.UPDATES", 5)
    monkeypatch.setattr("gibbsian.tasks.convert.translation.REPEATS", 3)


def test_pictures_are_drawn_while_it_trains(run):
    assert (run / "samples" / "step-000002.png").is_file()


def test_a_run_translates_its_own_source(cli, run):
    ran = cli("translate", str(run), "-n", "6", "--json")
    assert ran.code == 0 and ran.json["n"] == 6 and ran.json["steps"] == 2
    assert {"source", "translated"} <= set(ran.json["measures"])
    folder = run / "translate"
    assert json.loads((folder / "translate.json").read_text())["content_distance"]
    with Image.open(folder / "translate.png") as sheet, Image.open(folder / "translate.gif") as film:
        assert sheet.size[0] > 60 and film.n_frames > 1


def test_image_files_come_back_one_by_one(cli, run, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "mine.png")
    mine, out = tmp_path / "mine.png", tmp_path / "out"
    ran = cli("translate", str(run), "--images", str(mine), "--out", str(out), "--json")
    assert ran.code == 0 and ran.json["n"] == 1
    with Image.open(out / "translated" / "mine.png") as picture:
        assert picture.size == (8, 8)
    assert json.loads((out / "translate.json").read_text())["images"] == ["mine"]


def test_a_data_set_in_a_file_is_no_image_file(cli, run, tmp_path):
    x = np.random.RandomState(0).randint(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x=x)
    ran = cli("translate", str(run), "--images", f"{tmp_path}/mine.npz", "-n", "3", "--json")
    assert ran.code == 0 and ran.json["n"] == 3 and "measures" in ran.json


def test_mistakes_are_one_line(cli, run, tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "big.png")
    for words, told in (
        (["--images", str(tmp_path / "big.png")], "add --fit"),
        (["--images", "mnst"], "did you mean 'mnist'?"),
        (["--to", "3"], "no labels"),
        (["-n", "1"], "at least 2"),
        (["--images", str(tmp_path / "none") + "/"], "there is no image file or folder"),
    ):
        ran = cli("translate", str(run), *words)
        assert ran.code in (1, 2) and told in ran.err and ran.err.count("\n") == 1, words
