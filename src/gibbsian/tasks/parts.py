"""The parts of data that a task asks a model about: whatever a person has, in the shape the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from ..core.errors import UsageError, unknown
from ..core.spec import DataSpec, Table
from ..data.dataset import Dataset, carve
from ..data.given import shaped
from ..data.load import load_recipe
from ..data.own import Given, dataset
from ..data.recipe import WORD, DataRecipe, is_table, named
from ..models.model import EnergyModel
from ..train.load import load

ARRAYS = "arrays"


def name_of(data: Given) -> str:
    """What data are called in a record: their name, or "arrays"."""
    if isinstance(data, Dataset):
        return data.full_name
    return DataRecipe.parse(str(data)).title if isinstance(data, (str, Path)) else ARRAYS


def model_of(model: EnergyModel | str | Path, net: nn.Module | None = None) -> EnergyModel:
    """The `inner` of a model, or of the run or model folder, whose network of one's own is `net`; raises
    `UsageError` for anything else."""
    if isinstance(model, (str, Path)):
        return load(model, net=net).inner
    if not isinstance(model, EnergyModel):
        raise UsageError(
            f"the first argument is a {type(model).__name__}: give a model, or the folder of a run"
        )
    return model.inner


def title_of(name: str) -> str:
    """The last word of a name, for pictures: "photos" of folder:/data/photos@size=32x32."""
    return Path(DataRecipe.parse(name).name).name or name


def titles(names: Sequence[str]) -> list[str]:
    """The last words of names, or the names themselves where two would be alike."""
    short = [title_of(name) for name in names]
    return [s if short.count(s) == 1 else name for s, name in zip(short, names, strict=True)]


def class_number(label: int | str, classes: Sequence[str]) -> int:
    """The number of a class that is named so, or has that number; raises `UsageError` for another name."""
    if isinstance(label, str) and label in classes:
        return list(classes).index(label)
    if isinstance(label, str) and not label.isdigit():
        if not classes:
            raise UsageError(f"class '{label}' is no number, and these data name no classes: give its number")
        raise unknown("class", label, classes)
    return int(label)


def policy_of(data: Given) -> str | None:
    """What is done about broken files in reading `data`, for others beside them."""
    return DataRecipe.parse(str(data)).on_error if isinstance(data, (str, Path)) else None


def part_of(
    data: Given,
    split: str,
    spec: DataSpec | None = None,
    *,
    validation: int | None = None,
    on_error: str | None = None,
    data_dir: str | Path | None = None,
) -> Dataset:
    """The part "train", "validation", "test" or "all" of anything that `gibbsian.dataset` takes.

    Images of a person's own are brought to the size and colour of `spec`, which their notes tell, and columns
    to the units in which the model sees its table; broken
    files are treated as `on_error` says, unless their recipe does. Of arrays, which are no part of anything,
    the test part is a tenth as for a file of arrays.

    Raises `UsageError` and `DataError` as `gibbsian.dataset` does.
    """
    shape = spec.event_shape if spec and spec.is_image else ()
    table = None
    if spec and len(spec.event_shape) == 1:  # a model that knows of no table sees columns in their own units
        table = spec.table or Table((), spec.event_shape[0] * (0.0,), spec.event_shape[0] * (1.0,))
    if isinstance(data, (str, Path)):
        recipe = recipe_for(str(data), spec)
        if on_error and (recipe.name.startswith("folder:") or is_table(recipe.name)):
            recipe = replace(recipe, on_error=recipe.on_error or on_error)
        found = load_recipe(
            recipe.having(validation=validation or None), split, data_dir=data_dir, table=table
        )
        return shaped(found, shape) if recipe.places and WORD not in recipe.name else found
    found = data if isinstance(data, Dataset) else dataset(data, table=table)
    if found.recipe is not None and split not in (found.split, "validation"):
        return shaped(load_recipe(found.recipe, split, data_dir=data_dir, table=table), shape)
    if table is not None and found.event_shape == (len(table.scale),):
        found = replace(found, table=table)
    found = shaped(found, shape)
    if found.recipe is None and split != "all":
        found = _cut(found, "test" if split == "test" else "train")
    if not validation or split in ("test", "all"):
        return found
    train, held = found.split_off(validation)
    return held if split == "validation" else train


def train_and_held(
    data: Given,
    held: Given | None,
    spec: DataSpec | None = None,
    *,
    against: str = "test",
    validation: int | None = None,
    data_dir: str | Path | None = None,
) -> tuple[Dataset, Dataset]:
    """Training rows of `data` and held-out ones, its part `against` or all of `held`; raises as `part_of`."""
    options: dict[str, Any] = {"validation": validation, "data_dir": data_dir}
    if held is None:
        return part_of(data, "train", spec, **options), part_of(data, against, spec, **options)
    whole = "train" if isinstance(data, (str, Path)) else "all"
    split = "test" if isinstance(held, (str, Path)) and not DataRecipe.parse(named(held)).places else "all"
    return part_of(data, whole, spec, **options), part_of(held, split, spec, data_dir=data_dir)


def recipe_for(data: str, spec: DataSpec | None) -> DataRecipe:
    """How a name is read: a person's own folder in the size and colour of `spec`, unless it says another."""
    recipe = DataRecipe.parse(named(data))
    if spec is None or not spec.is_image or spec.event_shape[0] not in (1, 3):
        return recipe
    if not recipe.name.startswith("folder:") or WORD in recipe.name:
        return recipe
    channels, height, width = spec.event_shape
    size, grey = recipe.size or (height, width), recipe.grey
    return replace(recipe, size=size, grey=channels == 1 if grey is None else grey)


def images_of(model: EnergyModel, data: Given, split: str, data_dir: str | Path | None = None) -> Dataset:
    """A part of a data set; raises `UsageError` unless it holds images of the model's shape."""
    shape = model.spec.event_shape
    if len(shape) != 3:
        raise UsageError(f"this model takes data of shape {shape}, not images: nothing to restore")
    found = part_of(data, split, model.spec, data_dir=data_dir)
    if not found.is_image or found.event_shape != shape:
        raise UsageError(
            f"{name_of(data)} holds rows of shape {found.event_shape}, this model takes {shape}: give images "
            "of the model's shape"
        )
    return found


def _cut(data: Dataset, split: str) -> Dataset:
    """Training or test rows of arrays, or those of the one part that they are said to be."""
    if data.split not in ("train", split):
        raise UsageError(f"{data.name} is a {data.split} part alone: give all rows, or a name or file")
    rest, last = carve(len(data), max(1, len(data) // 10), data.name)
    note = f"of {len(data)} rows a tenth, {len(last)}, is held out: a model fitted to all has seen them"
    cut = data.subset(last if split == "test" else rest)
    return replace(cut, split=split, notes=(*data.notes, note))
