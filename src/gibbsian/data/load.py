"""A data set by name: the built-in digits, toys, tables, public sets, your folders and files.

Public sets are looked for in `data_dir`, `$GIBBSIAN_DATA` and the cache, and fetched where they have
an address. A set without a test part of its own is cut in two: the last tenth of the fixed
permutation `numpy.random.RandomState(0).permutation(N)` is its test part (of tables, the last fifth).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError, UsageError, unknown
from ..core.random import derive, generator
from ..core.spec import Table
from .dataset import Dataset, carve, from_arrays
from .download import fetch
from .folder import read_folder
from .names import ALIASES, TOYS, entry
from .pairs import domains, two_domains
from .places import data_folders, download_folder
from .readers import Arrays, read_npz
from .recipe import ARRAYS, FILES, DataRecipe, is_table, unread
from .resized import resized
from .sources import DIGITS, SOURCES, WHOLE, Source
from .tables import read_table
from .toy import toy
from .units import in_units, read_file, stored_table

SPLITS = ("train", "validation", "test")
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
    """The data set `name` (see `names.DATA_NAMES`), part "train", "validation" or "test".

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
    """The train, validation or test part."""
    whole = _part(recipe, "test" if split == "test" else "train", data_dir, table)
    if not recipe.validation or split == "test":
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
    """The train or test part, as floats or as images of the wanted size and colour."""
    name = recipe.name
    if not name.lower().endswith(ARRAYS) and (recipe.images, recipe.channels) != (None, None):
        raise UsageError(f"images and channels are for files of arrays, which {name} is not")
    both = domains(name)
    if both:
        source, target = (_part(replace(recipe, name=one), split, data_dir) for one in both)
        return two_domains(source, target, name)
    if name.startswith("folder:"):
        data, one = read_folder(Path(name.removeprefix("folder:")), split, recipe)
        return _cut(data, split) if one else data
    arrays, one = _arrays(recipe, split, data_dir, table)
    data = _built(name, split, arrays, recipe)
    data = replace(data, table=arrays.table, notes=(*arrays.notes, *data.notes))
    return _cut(data, split) if one else data


def _arrays(
    recipe: DataRecipe, split: str, data_dir: str | Path | None, table: Table | None
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
    if canonical == "digits":
        return _digits(split), False
    if canonical not in SOURCES:
        raise unread(path) or unknown("data set", name, [*ALIASES])
    return _named(canonical, split, data_dir)


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
    )
    return resized(data, recipe)


def _cut(data: Dataset, split: str) -> Dataset:
    """Train or test of a set that came whole, and a line on that."""
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


def _named(name: str, split: str, data_dir: str | Path | None) -> tuple[Arrays, bool]:
    """A set of the table: the first form that is there, else the first that can be fetched."""
    for root in data_folders(data_dir):
        for source in SOURCES[name]:
            part = source.part(split)
            paths = _found(root, source, source.files[part])
            if paths is not None:
                return source.read(paths, split), part == WHOLE
    return _fetched(name, split, data_dir)


def _found(root: Path, source: Source, files: tuple[str, ...]) -> list[Path] | None:
    """The paths of `files` in the first folder that has them all, packed or not."""
    for folder in source.folders:
        paths = [_either(root / folder / file) for file in files]
        if all(path.is_file() for path in paths):
            return paths
    return None


def _either(path: Path) -> Path:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return path if path.is_file() else plain


def _fetched(name: str, split: str, data_dir: str | Path | None) -> tuple[Arrays, bool]:
    source = next((s for s in SOURCES[name] if s.remotes), None)
    if source is None or source.remotes is None:
        raise DataError(_missing(name, split, data_dir))
    part = source.part(split)
    folder = download_folder(data_dir) / source.folders[0]
    wanted = [file for file in source.files[part] if not _either(folder / file).is_file()]
    for remote in dict.fromkeys(source.remotes[file] for file in wanted):
        fetch(remote, folder)
    return source.read([_either(folder / file) for file in source.files[part]], split), part == WHOLE


def _missing(name: str, split: str, data_dir: str | Path | None) -> str:
    source = SOURCES[name][0]
    files = ", ".join(source.files[source.part(split)])
    looked = ", ".join(str(folder) for folder in data_folders(data_dir))
    why = "has no public address"
    if source.page:
        files, why = f"{files} from {source.page}", "is not fetched by itself"
    return (
        f"the data set '{name}' is not here and {why}: put {files} into "
        f"{download_folder(data_dir) / source.folders[0]} (looked in {looked})"
    )
