"""A broken file met while training: named, the state saved, and the run goes on when it is mended."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.core.errors import DataError
from gibbsian.data import folder
from gibbsian.train import checkpoint, monitor
from gibbsian.train.resume import as_stored

SMALL = {"train__batch_size": 8, "train__sample_every": 0, "chain__steps": 1, "train__save_every": 50}
FLAGS = [word for key, value in SMALL.items() for word in (f"--{key.replace('__', '.')}", str(value))]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch) -> Path:
    """120 images read by index, of which the monitor looks at two at the start."""
    monkeypatch.setattr(folder, "MEMORY_LIMIT", 0)
    rows = monitor.scale_of
    monkeypatch.setattr("gibbsian.train.trainer.scale_of", lambda data, low, high: rows(data, low, high, 2))
    rng = np.random.default_rng(0)
    (tmp_path / "own").mkdir()
    for i in range(120):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / "own" / f"{i:03}.png")
    return tmp_path


def same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b


def broken(photos: Path, left: int = 60) -> tuple[Path, bytes]:
    """A training file of which so many bytes are left, and what it held."""
    path = gb.dataset(photos / "own").rows.paths[50]
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    return path, whole


def fit(photos: Path, out: str, steps: int = 20, **more) -> None:
    data = f"folder:{photos}/own"
    gb.fit("short_run", data, steps=steps, out=photos / out, progress=False, **SMALL, **more)


@pytest.mark.parametrize("left", [45, 60, 75])
def test_the_file_is_named_after_the_state_is_saved(photos, left):
    path, _ = broken(photos, left)
    with pytest.raises(DataError) as error:
        fit(photos, "run")
    text = str(error.value)
    assert str(path) in text and "state saved in" in text and "--on-error skip" in text and "\n" not in text
    record = json.loads((photos / "run" / "run.json").read_text())
    assert record["state"] == "stopped" and record["step"] > 0
    assert checkpoint.listed(photos / "run" / "checkpoints")[-1].name == f"step-{record['step']:06d}"


def test_mended_it_is_as_if_nothing_had_been(photos):
    fit(photos, "one")
    path, whole = broken(photos)
    with pytest.raises(DataError):
        fit(photos, "two")
    path.write_bytes(whole)
    fit(photos, "two", resume="auto")
    one, two = (photos / name for name in ("one", "two"))
    a, b = (checkpoint.load(checkpoint.listed(run / "checkpoints")[-1]) for run in (one, two))
    for section in ("model", "batches", "streams", "optimizer"):
        assert same(a[section], b[section]), section
    assert (one / "metrics.jsonl").read_text() == (two / "metrics.jsonl").read_text()


@pytest.mark.parametrize("remedy", ["removed", "made anew", "skipped", "removed and elsewhere"])
def test_the_run_goes_on_whatever_was_done(photos, remedy, monkeypatch, capsys):
    path, _ = broken(photos)
    run = photos / "run"
    assert (
        main(
            [
                "train",
                "short_run",
                "--data",
                f"folder:{photos}/own",
                *FLAGS,
                "--steps",
                "20",
                "--out",
                str(run),
            ]
        )
        == 1
    )
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert path.name in told and "go on with --resume auto" in told
    if remedy == "made anew":
        Image.fromarray(np.full((8, 8), 7, np.uint8)).save(path)
    elif remedy != "skipped":
        path.unlink()
    if remedy == "removed and elsewhere":
        run = run.rename(photos / "renamed")
        monkeypatch.chdir("/")
    words = ["--on-error", "skip"] if remedy == "skipped" else []
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["train", "short_run", "--resume", str(run), *FLAGS, *words, "--steps", "20"]) == 0
    said = capsys.readouterr().err
    what = {"made anew": "1 changed", "skipped": "it is left out"}.get(remedy, "1 gone")
    assert what in said
    assert "warnings.warn" not in said
    assert checkpoint.listed(run / "checkpoints")[-1].name == "step-000020"


def test_skipped_from_the_start_training_ends_and_says_so(photos, capsys):
    path, _ = broken(photos)
    with pytest.warns(UserWarning, match=path.name) as caught:
        gb.fit(
            "short_run",
            f"folder:{photos}/own@on_error=skip",
            steps=20,
            out=photos / "run",
            progress=False,
            **SMALL,
        )
    assert len(caught) == 1
    assert json.loads((photos / "run" / "run.json").read_text())["state"] == "done"


def test_without_a_folder_it_says_that_nothing_is_saved(photos):
    broken(photos)
    with pytest.raises(DataError, match="nothing saved: give out="):
        gb.fit("short_run", f"folder:{photos}/own", steps=20, progress=False, **SMALL)


def test_the_parts_of_a_run_stay_apart_when_a_file_is_removed(photos):
    """A fixed permutation of one file less would mix training and test rows."""
    fit(photos, "run", steps=1)
    line = str(as_stored(photos / "own", photos / "run", "auto"))
    train, test = (gb.dataset(line, split).rows.paths for split in ("train", "test"))
    train[3].unlink()
    assert (gb.dataset(line).rows.paths, gb.dataset(line, "test").rows.paths) == (train, test)
    assert set(gb.dataset(photos / "own", "test").rows.paths) & set(train)
