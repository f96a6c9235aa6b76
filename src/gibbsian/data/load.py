"""A data set by name: the built-in digits, toys, tables, public sets, your folders and files.

Public sets are looked for in `data_dir`, `$GIBBSIAN_DATA` and the cache, and fetched where they have
an address. A set without a test part of its own is cut in two: the last tenth of the fixed
permutation `numpy.random.RandomState(0).permutation(N)` is its test part (of tables, the last fifth).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import UsageError, unknown
from ..core.random import derive, generator
from ..core.spec import Table
from .dataset import Dataset, carve, from_arrays
from .episodes import episodes_part
from .folder import read_folder
from .names import ALIASES, SPRITES, TOYS, entry, is_episodes
from .pairs import domains, two_domains
from .public import read_named
from .readers import Arrays, read_npz
from .recipe import ARRAYS, FILES, DataRecipe, is_table, unread
from .resized import resized
from .shapes import read_rendered
from .sources import DIGITS, SOURCES
from .tables import read_table
from .toy import toy
from .units import in_units, read_file, stored_table

SPLITS = ("train", "validation", "test", "all")
TOY_SIZE = {"train": 50_000, "test": 10_000}
DIGITS_TRAIN = 1397


def load(
    name: str,
    split: str = "train",
    *,
    data_dir: str | Path | None = None,
    validation: int | None = None,
    table: Table | None = None,
    **options: Any,
) -> Dataset:
    """The data set `name` (see `names.DATA_NAMES`), part "train", "validation" or "test", or "all" rows.

    `validation`: how many training rows are set aside, always the same ones. Give the same number
    to the train call and the validation call, so that the two do not overlap; None sets none aside.
    `options` are the others of `recipe.DataRecipe`, which may stand in the name too; `table`: as there.

    Raises `UsageError` for an unknown name or option, `DataError` for files that are missing, cut
    short or of another kind.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if validation is not None and validation < 0:
        raise UsageError(f"validation is {validation}: it must be a number of rows, 0 for none")
    recipe = DataRecipe.parse(name).having(validation=validation or None, **options)
    return load_recipe(recipe, split, data_dir=data_dir, table=table)


def load_recipe(
    recipe: DataRecipe,
    split: str = "train",
    *,
    data_dir: str | Path | None = None,
    table: Table | None = None,
) -> Dataset:
    """The part `split` of the set that a recipe reads; raises as `load`.

    `table` are the columns of a model, by which a table is read again: those that the recipe names, if any.
    """
    if split == "validation" and not recipe.validation:
        raise UsageError(_no_validation(recipe.name))
    if not is_table(recipe.name) and (option := recipe.table_option):
        raise UsageError(f"{option} is for tables, which {recipe.name} is not: leave it out")
    recipe.require_there()
    recipe = recipe.placed()
    if table is None and recipe.table is not None:
        table = stored_table(Path(recipe.table))
    part = _split(recipe, split, data_dir, table)

    def train() -> Tensor:
        return (part if split == "train" else _split(recipe, "train", data_dir, table)).x

    return in_units(replace(part, recipe=part.recipe or recipe), train, table)


def _split(recipe: DataRecipe, split: str, data_dir: str | Path | None, table: Table | None) -> Dataset:
    """The part of this name."""
    whole = _part(recipe, "train" if split == "validation" else split, data_dir, table)
    if not recipe.validation or split in ("test", "all"):
        return whole
    train, held = whole.split_off(recipe.validation)
    return train if split == "train" else held


def _no_validation(name: str) -> str:
    line = entry(name)
    usual = f" ({line.validation} is usual)" if line and line.validation else ""
    return (
        f"the validation part of '{name}' needs validation=N{usual}, given to the train call as well so "
        "that the two do not overlap"
    )


def _part(recipe: DataRecipe, split: str, data_dir: str | Path | None, table: Table | None = None) -> Dataset:
    """The part "train", "test" or "all", as floats or as images of the wanted size and colour."""
    name = recipe.name
    if not name.lower().endswith(ARRAYS) and (recipe.images, recipe.channels) != (None, None):
        raise UsageError(f"images and channels are for files of arrays, which {name} is not")
    both = domains(name)
    if both:
        source, target = (_part(replace(recipe, name=one), split, data_dir) for one in both)
        return two_domains(source, target, name)
    if is_episodes(name):
        return episodes_part(recipe, split, data_dir)
    if name.startswith("folder:"):
        data, one = read_folder(Path(name.removeprefix("folder:")), split, recipe)
        return _cut(data, split) if one else data
    read = _whole if split == "all" else partial(_arrays, split)
    arrays, one = read(recipe, data_dir, table)
    data = _built(name, split, arrays, recipe)
    data = replace(data, table=arrays.table, blocks=arrays.blocks, notes=(*arrays.notes, *data.notes))
    return _cut(data, split) if one else data


def _whole(recipe: DataRecipe, data_dir: str | Path | None, table: Table | None) -> tuple[Arrays, bool]:
    """Both parts, the training rows first, or the rows of a set that comes in one."""
    first, one = _arrays("train", recipe, data_dir, table)
    if one:
        return first, one
    last, _ = _arrays("test", recipe, data_dir, table)
    if first.rows is not None:  # the other part stands behind already
        return replace(first, rows=None, y=None if last.y is None else first.y), one
    x = np.concatenate([first.x, last.x])
    y = None if first.y is None or last.y is None else np.concatenate([first.y, last.y])
    return Arrays(x, y, first.classes), one


def _arrays(
    split: str, recipe: DataRecipe, data_dir: str | Path | None, table: Table | None
) -> tuple[Arrays, bool]:
    """Arrays, and whether they are still to be cut into train and test."""
    name = recipe.name
    path = Path(name).expanduser()
    if name.lower().endswith(FILES):
        return read_file(path, split, recipe, table)
    if name.startswith("toy:"):
        return _toy(name.removeprefix("toy:"), split), False
    if name.startswith("table:"):
        return read_table(name.removeprefix("table:"), split), False
    canonical = ALIASES.get(name, name)
    if canonical in SPRITES:
        return read_rendered(SPRITES[canonical], split), False
    if canonical == "digits":
        return _digits(split), False
    if canonical not in SOURCES:
        raise unread(path) or unknown("data set", name, [*ALIASES])
    return read_named(canonical, split, data_dir)


def _built(name: str, split: str, arrays: Arrays, recipe: DataRecipe) -> Dataset:
    data = from_arrays(
        arrays.x,
        arrays.y,
        name=ALIASES.get(name, name),
        split=split,
        classes=arrays.classes,
        cond=arrays.cond,
        factors=arrays.factors,
        images=recipe.images,
        channels=recipe.channels,
        levels=recipe.levels,
        background=recipe.background,
    )
    data = resized(data, recipe)
    return data if arrays.rows is None else data.take(arrays.rows)


def _cut(data: Dataset, split: str) -> Dataset:
    """Train or test of a set that came whole and a line on that, or all of it."""
    if split == "all":
        return data
    if len(data) == 1:
        return replace(data, notes=(*data.notes, "its one row is trained on and is the test part as well"))
    train, test = carve(len(data), max(1, len(data) // 10), data.name)
    said = f"{len(test):,} of {len(data):,} rows, the same ones every time, are kept apart as the test part"
    return replace(data.subset(train if split == "train" else test), notes=(*data.notes, said))


def _digits(split: str) -> Arrays:
    """The 1,797 digits of the UCI test part, values 0 to 16 scaled to 0 to 255: 1,397 train, 400 test."""
    arrays = read_npz(Path(__file__).with_name("assets") / "digits.npz")
    order = np.random.RandomState(0).permutation(len(arrays["x"]))
    rows = order[:DIGITS_TRAIN] if split == "train" else order[DIGITS_TRAIN:]
    x = np.round(arrays["x"][rows] * (255 / 16)).astype(np.uint8)
    return Arrays(x, arrays["y"][rows], DIGITS)


def _toy(name: str, split: str) -> Arrays:
    """A fixed draw from a toy density, with the component that each point came from as label."""
    if name not in TOYS:
        raise unknown("toy", name, TOYS)
    density = toy(name)
    rng = generator(derive(0, f"toy:{name}:{split}"))
    x, y = density.draw_labelled(TOY_SIZE[split], rng)
    return Arrays(x.to(torch.float32).numpy(), y.numpy(), density.classes)
