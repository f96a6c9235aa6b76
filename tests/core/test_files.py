"""Files that are written: whole, readable as others are, where a person means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.files import own_path, write_whole

TINY = {"steps": 1, "progress": False, "chain__steps": 1, "net__hidden": [4], "train__sample_every": 1}


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_all_files_of_a_run_have_the_mode_of_a_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        model = gb.fit("short_run", "toy:ring", out=tmp_path / "run", **TINY)
        model.save(tmp_path / "model")
        model.sample(4).save(tmp_path / "a.npz")
        model.sample(4).save(tmp_path / "a.png")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.suffix == ".safetensors" for path in files) > 2
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {oct(0o666 & ~mask)}


def test_the_home_folder_is_meant_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model = gb.fit("short_run", "toy:ring", out="~/run", **TINY)
    model.save("~/model")
    model.sample(4).save("~/a.png")
    gb.load("~/model"), gb.load("~/run"), gb.load_run(Path("~/run"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "model", "run"]


@pytest.mark.parametrize("path", [None, 3, "", ["a"]])
def test_what_is_no_path(path):
    with pytest.raises(UsageError, match="path is"):
        own_path(path)


def test_text_is_whole_or_absent(tmp_path):
    write_whole(tmp_path / "a.txt", "é")
    with pytest.raises(OSError):
        write_whole(tmp_path / "none" / "a.txt", "b")
    assert (tmp_path / "a.txt").read_text() == "é" and len(list(tmp_path.iterdir())) == 1
