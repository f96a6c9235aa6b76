"""Files of a folder that are left out, and the list of a run's files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from known import decided
from PIL import Image

from gibbsian.core.errors import DataError
from gibbsian.data import folder
from gibbsian.data.listing import MENDED, all_images, list_images, read_listing
from gibbsian.data.load import load
from gibbsian.data.recipe import DataRecipe, named


def write(path: Path, seed: int = 0, shape: tuple[int, ...] = (6, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def clutter(kind: str, place: Path) -> None:
    """One file that is no image of the person's."""
    if kind == "link":
        (place / "link.png").symlink_to(place / "nowhere.png")
    elif kind == "pipe":
        os.mkfifo(place / "pipe.png")
    else:
        write(place / f"{kind}.png")


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("link", "left out: 1 dangling links"),
        ("pipe", "left out: 1 pipes or devices"),
        (".hidden", "left out: 1 hidden"),
        (".ipynb_checkpoints/a", "left out: 1 notebook checkpoints"),
        ("__MACOSX/a", "left out: 1 in __MACOSX"),
    ],
)
def test_what_is_left_out_is_told(tmp_path, classes, kind, told):
    for i in range(8):
        write(tmp_path / ("ab"[i % 2] if classes else "") / f"{i}.png", i)
    before = load(f"folder:{tmp_path}")
    clutter(kind, tmp_path / "a" if classes else tmp_path)
    after = load(f"folder:{tmp_path}")
    assert decided(after) == (told,) and decided(before) == ()
    assert after.fingerprint == before.fingerprint and after.classes == before.classes


def test_clutter_beside_the_classes_is_no_class(tmp_path):
    for i in range(8):
        write(tmp_path / "train" / "ab"[i % 2] / f"{i}.png", i)
    write(tmp_path / "__MACOSX" / "train" / "a" / "._0.png")
    (tmp_path / "train" / "a" / "Thumbs.db").write_text("x")
    (tmp_path / "train" / "desktop.ini").write_text("x")
    data = load(f"folder:{tmp_path}")
    assert data.classes == ("a", "b")
    assert decided(data) == ("left out: 1 in __MACOSX, 2 of a file manager",)


@pytest.fixture
def streamed(tmp_path: Path, monkeypatch) -> Path:
    """40 images in two classes, read by index, and the list of them beside."""
    monkeypatch.setattr(folder, "MEMORY_LIMIT", 0)
    root = tmp_path / "own"
    for i in range(40):
        write(root / "ab"[i % 2] / f"{i:02}.png", i)
    (tmp_path / "files.json").write_text(list_images(root).text(root))
    return root


def listed(root: Path, split: str = "train"):
    return load(f"folder:{root}@files={root.parent}/files.json", split)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.unlink(), "1 gone"),
        (lambda path: write(path, 99), "1 changed"),
        (lambda path: write(path.with_name("new.png"), 99), "1 new and not read"),
        (lambda path: None, None),
    ],
)
def test_rows_and_parts_stay_those_of_the_list(streamed, split, change, told):
    before, rows = listed(streamed, split), listed(streamed, split).rows.paths
    path = rows[1]
    path.write_bytes(path.read_bytes() + b"0")  # so that a change shows in the size
    (streamed.parent / "files.json").write_text(list_images(streamed).text(streamed))
    before = listed(streamed, split)
    change(path)
    after = listed(streamed, split)
    assert after.rows.paths == rows and torch.equal(after.y, before.y)
    assert after.fingerprint == before.fingerprint
    assert [note for note in after.notes if "began with" in note] == (
        [f"of the 40 files that the run began with: {told}"] if told else []
    )


def test_a_row_that_is_gone_is_read_from_the_next_with_its_label(streamed):
    data = listed(streamed)
    want = data.batch(torch.tensor([0, 6, 6, 7]))
    data.rows.paths[5].unlink()
    after = listed(streamed)
    got = after.batch(torch.tensor([0, 5, 6, 7]))
    assert torch.equal(got.x, want.x) and torch.equal(got.y, want.y)
    assert got.index.tolist() == [0, 6, 6, 7] and len(after.x) == len(data)


def test_other_data_under_the_same_names_are_refused(streamed):
    for path in list_images(streamed).paths[: MENDED + 1]:
        path.unlink()
    with pytest.raises(DataError, match=f"{MENDED + 1} gone: these are other data") as error:
        listed(streamed)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", '{"parts": {}}', '{"classes": [], "parts": {"train": [["a"]]}}'])
def test_a_damaged_list_is_one_line(streamed, text):
    (streamed.parent / "files.json").write_text(text)
    with pytest.raises(DataError, match="no list of a run's files"):
        read_listing(streamed.parent / "files.json", streamed)


def test_a_list_that_is_gone_is_told(streamed):
    (streamed.parent / "files.json").unlink()
    assert "files.json is gone: the folder is read as it is now" in listed(streamed).notes[0]


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("fault", ["text", "cut", "empty"])
def test_broken_files_are_skipped_and_told(tmp_path, monkeypatch, fault, limit):
    monkeypatch.setattr(folder, "MEMORY_LIMIT", limit)
    for i in range(20):
        write(tmp_path / f"{i:02}.png", i, (32, 32, 3))
    for i in (0, 7):
        raw = (tmp_path / f"{i:02}.png").read_bytes()
        broken = {"text": b"no", "cut": raw[: len(raw) // 2], "empty": b""}[fault]
        (tmp_path / f"{i:02}.png").write_bytes(broken)
    with pytest.warns(UserWarning, match=r"0\d.png cannot be read as an image .*: it is left out") as caught:
        data = load(f"folder:{tmp_path}", on_error="skip")
        x = data.batch(torch.arange(len(data))).x
    assert len(caught) <= 2 and len(x) == len(data) >= 16
    assert data.full_name.endswith("@on_error=skip")
    assert not bool(torch.isnan(x).any())


def test_a_folder_of_broken_files_is_one_line(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_text("no")
    with pytest.raises(DataError, match="no image that can be read"):
        load(f"folder:{tmp_path}", on_error="skip")


@pytest.mark.parametrize(
    ("train", "test", "more"),
    [("training", "testing", ()), ("Train", "VAL", ()), ("seg_train", "seg_test", ()), ("train", "dev", ())]
    + [("trainset", "testset", ()), ("train2017", "val2017", ()), ("train", "test", ("val", "extra"))],
)
def test_parts_by_other_names(tmp_path, train, test, more):
    for part in (train, test, *more):
        for i in range(4):
            write(tmp_path / part / "ab"[i % 2] / f"{i}.png", i)
    found = list_images(tmp_path)
    assert {name: paths[0].parts[-3] for name, (paths, _) in found.parts.items()} == {
        "train": train,
        "test": test,
    }
    said = f"{train} is trained on, {test} is the test part" + (", not read: val, extra" if more else "")
    assert found.said[0] == said and found.classes == ["a", "b"]


@pytest.mark.parametrize("parts", [("test",), ("val", "test"), ("validation",)])
def test_parts_without_one_to_train_on_are_one_line(tmp_path, parts):
    for part in parts:
        write(tmp_path / part / "a" / "0.png")
    with pytest.raises(DataError, match=f"none called train: .*{parts[-1]}$"):
        list_images(tmp_path)


@pytest.mark.parametrize("name", ["train", "trains", "retrain", "contest"])
def test_a_class_may_have_such_a_name(tmp_path, name):
    for label in (name, "bus"):
        write(tmp_path / label / "0.png")
    assert list_images(tmp_path).classes == sorted([name, "bus"])


@pytest.mark.parametrize("name", ["empty", "x.png", "@eaDir", "lost+found", "$RECYCLE.BIN"])
@pytest.mark.parametrize("classes", [True, False])
def test_folders_without_images_are_no_classes(tmp_path, name, classes):
    for i in range(4):
        write(tmp_path / ("ab"[i % 2] if classes else "") / f"{i}.png", i)
    (tmp_path / name).mkdir()
    found = list_images(tmp_path)
    assert found.classes == (["a", "b"] if classes else []) and len(found.left) == 1


@pytest.mark.parametrize("name", ["README.md", "labels.csv", "a.heic", "classes.json"])
def test_other_files_are_named_or_skipped(tmp_path, name):
    for i in range(4):
        write(tmp_path / f"{i}.png", i)
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=f"{name} is not an image that is read .*--on-error skip"):
        list_images(tmp_path)
    assert list_images(tmp_path, skip=True).notes() == (f"left out: 1 .{name.partition('.')[2]} files",)


@pytest.mark.parametrize("name", ["a@size=3", "ph@tos", "x=1", "@grey=yes", "x.npz", "new\nline"])
def test_folders_of_any_name_are_read_again(tmp_path, name):
    for i in range(4):
        write(tmp_path / name / f"{i}.png", i)
    data = load(str(DataRecipe.parse(named(tmp_path / name)).placed()))
    assert load(data.full_name).fingerprint == data.fingerprint and data.event_shape == (1, 6, 6)


@pytest.mark.parametrize("depth", ["a", "a/b", "a/b/c"])
@pytest.mark.parametrize("split", ["train", "all"])
def test_images_of_linked_folders_are_read_once(tmp_path, depth, split):
    for i in range(4):
        write(tmp_path / "elsewhere" / f"{i}.png", i)
        write(tmp_path / "own" / "z" / f"{i}.png", i + 4)
    place = tmp_path / "own" / depth
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own" / "z" / "round").symlink_to(tmp_path / "own" / "z")
    found = all_images(tmp_path / "own") if split == "all" else list_images(tmp_path / "own")
    assert len(found.paths) == 8


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "ehthumbs.db", "Icon\r"])
def test_files_of_file_managers_are_left_out(tmp_path, name):
    write(tmp_path / "0.png")
    (tmp_path / name).write_text("x")
    assert list_images(tmp_path).notes() == ("left out: 1 of a file manager",)
