"""A data set by name: the built-in digits, toys, tables, public sets, your folders and files.

Public sets are looked for in `data_dir`, `$GIBBSIAN_DATA` and the cache, and fetched where they have
an address. A set without a test part of its own is cut in two: the last tenth of the fixed
permutation `numpy.random.RandomState(0).permutation(N)` is its test part (of tables, the last fifth).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..core.errors import DataError, UsageError, unknown
from ..core.random import derive, generator
from .dataset import Dataset, carve, from_arrays
from .download import fetch
from .folder import read_folder
from .images import fit_all
from .names import ALIASES, TOYS, entry
from .pairs import domains, two_domains
from .places import data_folders, download_folder
from .readers import Arrays, read_csv, read_npy, read_npz, read_user_npz
from .recipe import DataRecipe, Size
from .sources import DIGITS, SOURCES, WHOLE, Source
from .tables import read_table
from .toy import toy

SPLITS = ("train", "validation", "test")
TOY_SIZE = {"train": 50_000, "test": 10_000}
DIGITS_TRAIN = 1397


def load(
    name: str,
    split: str = "train",
    *,
    data_dir: str | Path | None = None,
    size: Size | None = None,
    grey: bool | None = None,
    validation: int | None = None,
    on_error: str | None = None,
) -> Dataset:
    """The data set `name` (see `names.DATA_NAMES`), part "train", "validation" or "test".

    The options may also stand in the name, as `recipe.DataRecipe` writes them.
    `size`: pixels a side, or (height, width): images are cropped to that shape and resampled.
    `grey`: True for one channel, False for three, None as stored.
    `validation`: how many training rows are set aside, always the same ones. Give the same number
    to the train call and the validation call, so that the two do not overlap; None sets none aside.
    `on_error`: "skip" leaves broken image files out, "stop" or None raises on one.

    Raises `UsageError` for an unknown name or option, `DataError` for files that are missing, cut
    short or of another kind.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if validation is not None and validation < 0:
        raise UsageError(f"validation is {validation}: it must be a number of rows, 0 for none")
    options = {"size": size, "grey": grey, "validation": validation or None, "on_error": on_error}
    return load_recipe(DataRecipe.parse(name).having(**options), split, data_dir=data_dir)


def load_recipe(recipe: DataRecipe, split: str = "train", *, data_dir: str | Path | None = None) -> Dataset:
    """The part `split` of the set that a recipe reads; raises as `load`."""
    if split == "validation" and not recipe.validation:
        raise UsageError(_no_validation(recipe.name))
    recipe.require_there()
    recipe = recipe.placed()
    whole = _part(recipe, "test" if split == "test" else "train", data_dir)
    whole = replace(whole, recipe=recipe)
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


def _part(recipe: DataRecipe, split: str, data_dir: str | Path | None) -> Dataset:
    """The train or test part, as floats or as images of the wanted size and colour."""
    name = recipe.name
    both = domains(name)
    if both:
        source, target = (_part(replace(recipe, name=one), split, data_dir) for one in both)
        return two_domains(source, target, name)
    if name.startswith("folder:"):
        data, one = read_folder(Path(name.removeprefix("folder:")), split, recipe)
        return _cut(data, split) if one else data
    arrays, one = _arrays(name, split, data_dir)
    data = _built(name, split, arrays, recipe.size, recipe.grey)
    return _cut(data, split) if one else data


def _arrays(name: str, split: str, data_dir: str | Path | None) -> tuple[Arrays, bool]:
    """Arrays, and whether they are still to be cut into train and test."""
    ending = Path(name).suffix.lower()
    if ending == ".npz":
        return read_user_npz(Path(name).expanduser(), split)
    if ending == ".npy":
        return read_npy(Path(name).expanduser()), True
    if ending in (".csv", ".tsv"):
        return read_csv(Path(name).expanduser()), True
    if name.startswith("toy:"):
        return _toy(name.removeprefix("toy:"), split), False
    if name.startswith("table:"):
        return read_table(name.removeprefix("table:"), split), False
    canonical = ALIASES.get(name, name)
    if canonical == "digits":
        return _digits(split), False
    if canonical not in SOURCES:
        if "/" in name or Path(name).suffix:
            raise DataError(
                f"there is no file or folder {Path(name).expanduser().absolute()}, and no data set is called "
                f"'{name}': see gibbsian list data"
            )
        raise unknown("data set", name, [*ALIASES])
    return _named(canonical, split, data_dir)


def _built(name: str, split: str, arrays: Arrays, size: Size | None, grey: bool | None) -> Dataset:
    x, cond = arrays.x, arrays.cond
    if size is not None or grey is not None:
        if x.dtype != np.uint8 or x.ndim < 3:
            raise UsageError(f"size and grey are for images, but {name} holds {x.dtype} of shape {x.shape}")
        x = fit_all(x, size, grey)
        cond = None if cond is None else fit_all(cond, size, grey)
    return from_arrays(
        x,
        arrays.y,
        name=ALIASES.get(name, name),
        split=split,
        classes=arrays.classes,
        cond=cond,
        factors=arrays.factors,
    )


def _cut(data: Dataset, split: str) -> Dataset:
    """Train or test of a set that came whole."""
    train, test = carve(len(data), max(1, len(data) // 10), data.name)
    return data.subset(train if split == "train" else test)


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
