"""A person's own folder in a run: found again by resume and by other commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import gibbsian as gb
from gibbsian.cli.main import main

SMALL = "--train.batch_size 4 --chain.steps 1 --train.sample_every 0".split()


@pytest.fixture
def photos(tmp_path: Path, monkeypatch) -> Path:
    """200 colour images of three sizes in two classes; the current folder is theirs."""
    rng = np.random.default_rng(0)
    for i in range(200):
        place = tmp_path / "photos" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (10 + i % 3, 12, 3), dtype=np.uint8)).save(place / f"{i:03}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return main(["train", "short_run", *SMALL, *words])


def stored(folder: Path) -> str:
    return str(yaml.safe_load((folder / "config.yaml").read_text())["data"])


@pytest.mark.parametrize("size", ["8", "8x6", "6X9"])
def test_a_size_on_the_command_line_is_kept_by_the_run(photos, size, monkeypatch, capsys):
    assert run("--data", "folder:photos", "--size", size, "--steps", "1", "--out", "run") == 0
    assert "200 images of 3 sizes brought to" in capsys.readouterr().err
    both = size.lower() if "x" in size.lower() else f"{size}x{size}"
    assert stored(photos / "run") == f"folder:{photos}/photos@size={both}"
    record = json.loads((photos / "run" / "run.json").read_text())["data"]
    assert record["classes"] == ["a", "b"] and record["recipe"]["size"] == [int(n) for n in both.split("x")]
    (photos / "other").mkdir()
    monkeypatch.chdir(photos / "other")
    assert run("--resume", "../run", "--steps", "2") == 0
    assert main(["export", "../run", "--out", "model"]) == 0
    assert json.loads(Path("model/config.json").read_text())["data"] == stored(photos / "run")
    assert main(["evaluate", "model", "-n", "16", "--draws", "2"]) == 0
    assert main(["doctor", "../run"]) == 0


def test_a_moved_folder_is_named_and_its_options_hold(photos, capsys):
    assert run("--data", "folder:photos@size=8", "--steps", "1", "--out", "run") == 0
    (photos / "photos").rename(photos / "moved")
    assert run("--resume", "run", "--steps", "2") == 1
    assert "--data folder:DIR@size=8x8 if moved" in capsys.readouterr().err
    assert main(["doctor", "run"]) == 0
    assert "there is no folder" in capsys.readouterr().out
    assert run("--resume", "run", "--data", "folder:moved", "--steps", "2") == 0
    assert stored(photos / "run") == f"folder:{photos}/moved@size=8x8"


@pytest.mark.parametrize("words", [["--size", "9"], ["--data", "folder:photos@size=9"], ["--size", "no"]])
def test_another_size_of_a_run_is_refused(photos, words, capsys):
    assert run("--data", "folder:photos", "--size", "8", "--steps", "1", "--out", "run") == 0
    capsys.readouterr()
    assert run("--resume", "run", *words, "--steps", "2") in (1, 2)
    assert capsys.readouterr().err.strip().count("\n") <= 4
    assert stored(photos / "run") == f"folder:{photos}/photos@size=8x8"


@pytest.mark.parametrize("data", ["photos", "./photos", "photos@size=8", "folder:photos"])
def test_a_folder_needs_no_word_before_it(photos, data):
    assert run("--data", data, "--size", "8", "--steps", "1", "--out", "run") == 0
    assert stored(photos / "run") == f"folder:{photos}/photos@size=8x8"


def test_mixed_sizes_without_one_say_which_option_to_give(photos, capsys):
    assert run("--data", "folder:photos", "--steps", "1", "--out", "run") == 1
    assert "--size 32" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["array", "pair", "loader"])
def test_a_run_on_arrays_asks_for_its_data(tmp_path, kind, capsys):
    x = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32)
    y = np.array(["cat", "dog"])[np.arange(40) % 2]
    tensor = torch.from_numpy(x)
    data = {"array": x, "pair": (x, y), "loader": DataLoader(TensorDataset(tensor), 4)}[kind]
    small = {"train__batch_size": 4, "chain__steps": 1, "train__sample_every": 0}
    gb.fit("short_run", data, steps=1, out=tmp_path / "run", progress=False, **small)
    record = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert record["recipe"] is None and record["classes"] == (["cat", "dog"] if kind == "pair" else [])
    assert main(["evaluate", str(tmp_path / "run"), "-n", "16", "--draws", "2"]) == 2
    assert "name a data set with --data" in capsys.readouterr().err
