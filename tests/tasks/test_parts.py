"""Parts of whatever a person has, in the shape of the model; names of classes, sets and runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import gibbsian as gb
from gibbsian.core.errors import CheckpointError, UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.tasks.parts import class_number, model_of, name_of, part_of, titles, train_and_held

GREY, COLOUR = DataSpec((1, 8, 8)), DataSpec((3, 6, 4))


@pytest.mark.parametrize("spec", [GREY, COLOUR, DataSpec((3, 8, 8)), DataSpec((1, 5, 9))])
def test_folders_of_mixed_sizes_come_in_the_shape_of_the_model(spec, tmp_path):
    for k in range(20):
        Image.new("RGB" if k % 3 else "L", (9 + k, 12), 9 * k).save(tmp_path / f"{k:02}.png")
    train, test = (part_of(tmp_path, split, spec) for split in ("train", "test"))
    assert train.event_shape == test.event_shape == spec.event_shape
    assert (len(train), len(test)) == (18, 2) and not set(train.names) & set(test.names)
    assert set(part_of(tmp_path, "all", spec).names) == set(train.names) | set(test.names)


def test_arrays_are_cut_as_files_of_arrays_are_and_it_is_told(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    for split in ("train", "test", "all"):
        one, other = part_of(x, split, GREY), part_of(tmp_path / "x.npy", split, GREY)
        assert torch.equal(one.x, other.x)
    assert any("a tenth, 5, is held out" in note for note in part_of(x, "test", GREY).notes)
    train, held = train_and_held(x[:40], x[40:], GREY)
    assert (len(train), len(held)) == (40, 10) and not held.notes


def test_a_data_set_with_a_recipe_knows_its_other_part():
    data = gb.dataset("digits").take(30)
    assert len(part_of(data, "train")) == 30 and len(part_of(data, "test")) == 400
    with pytest.raises(UsageError, match="a test part alone"):
        part_of(gb.from_arrays(data.x, split="test"), "train")


def test_classes_go_by_name_or_number():
    assert [class_number(c, ("cat", "dog")) for c in ("dog", 0, "1")] == [1, 0, 1]
    assert class_number("3", ("5", "3")) == 1, "a name comes first"
    with pytest.raises(UsageError, match="did you mean 'dog'"):
        class_number("dgo", ("cat", "dog"))
    with pytest.raises(UsageError, match="name no classes"):
        class_number("dog", ())


def test_names_are_short_where_they_stay_apart():
    assert titles(["folder:/a/new@size=8x8", "noise", "/b/x.npz"]) == ["new", "noise", "x.npz"]
    assert titles(["/a/val", "/b/val"]) == ["/a/val", "/b/val"]
    assert name_of(np.zeros(3)) == "arrays" and name_of("digits") == "digits"


@pytest.mark.parametrize("wrong", [3, None, torch.nn.Linear(2, 1)])
def test_only_models_and_runs_are_models(wrong, tmp_path):
    with pytest.raises(UsageError, match="give a model, or the folder of a run"):
        model_of(wrong)
    with pytest.raises(CheckpointError):
        model_of(tmp_path)
