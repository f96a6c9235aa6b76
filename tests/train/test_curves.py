"""What a run folder keeps beside the log: curves.png, TensorBoard."""

from __future__ import annotations

import itertools
import sys
import types

import pytest

import gibbsian as gb
from gibbsian.core.errors import DivergedError, UsageError
from gibbsian.train.monitor import Monitor

TINY = {"steps": 40, "progress": False, "chain__steps": 1, "net__hidden": [4], "train__log_every": 2}


def test_every_run_folder_has_its_curves(tmp_path):
    gb.fit("short_run", "toy:ring", out=tmp_path / "run", **TINY)
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000


def test_a_run_that_diverges_has_them_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Monitor, "check", lambda self, metrics: "so" if next(count) == 9 else None)
    count = itertools.count()
    with pytest.raises(DivergedError):
        gb.fit("short_run", "toy:ring", out=tmp_path, **TINY)
    assert (tmp_path / "curves.png").is_file()


def test_they_change_nothing_and_are_drawn_seldom(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("gibbsian.train.folder.save_image", lambda picture, path: drawn.append(path))
    gb.fit("short_run", "toy:ring", out=tmp_path / "a", train__save_every=1, **TINY)
    assert 1 <= len(drawn) < 20


@pytest.fixture
def writer(monkeypatch):
    """A stand-in for TensorBoard: the scalars that it was given."""
    told = []

    class SummaryWriter:
        def __init__(self, path):
            self.path = path

        def add_scalar(self, name, value, step):
            told.append((name, value, step))

        def flush(self):
            pass

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return told


def test_tensorboard_gets_every_number_of_the_log(tmp_path, writer):
    gb.fit("short_run", "toy:ring", out=tmp_path / "run", log="tensorboard", **TINY)
    names = {name for name, _, _ in writer}
    assert {"loss", "energy_gap", "energy_pos", "drift", "lr"} <= names
    assert [step for name, _, step in writer if name == "loss"] == list(range(2, 41, 2))


@pytest.mark.parametrize(
    ("log", "out", "told"),
    [("tensorboard", None, "out"), ("wandb", "run", "'wandb'"), (3, "run", "log is 3")],
)
def test_other_logs_are_refused(tmp_path, log, out, told):
    with pytest.raises(UsageError, match=told):
        gb.fit("short_run", "toy:ring", out=out and tmp_path / out, log=log, **TINY)


def test_tensorboard_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="pip install"):
        gb.fit("short_run", "toy:ring", out=tmp_path / "run", log="tensorboard", **TINY)
    assert not (tmp_path / "run").exists()
