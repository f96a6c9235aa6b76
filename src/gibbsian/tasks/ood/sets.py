"""Sets of images outside the training distribution, brought to the model's shape and colour.

Every set is 8-bit images, as a picture file would hold them, and goes through the same conversion as the
data inside: no jitter or dequantisation noise on either. Named sets are the test part of that data set,
cropped to a square and resampled where their size differs, with luma for colour or the channel repeated.
Textures (dtd) are cut instead: the top-left corner of the stored image, as the IGEBM paper cuts its own.
Made sets:

    noise          every value uniform on 0, ..., 255
    gaussian       N(.5, .5^2) a value, clipped to [0, 1]
    constant       one value a channel for the whole image, uniform on [0, 1]
    interpolation  mean of an inside image and another one, rounded; nothing else is added
    flipped        inside images upside down

The last two are made from the inside images of the table itself. A folder, a file of arrays or arrays of your
own are a set too, with all their rows. A public set whose files are not to be had is `absent`: a row that
says so, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.errors import DataError, UsageError, unknown
from ...core.random import derive, generator
from ...core.spec import DataSpec, Table
from ...data.dataset import Dataset
from ...data.given import shaped
from ...data.names import ALIASES, DATA_NAMES
from ...data.own import Given
from ...data.recipe import DataRecipe, named
from ...data.rows import ArrayRows
from ..parts import ARRAYS, part_of
from .made import MADE, NUMBERS, made_set

CUT = frozenset({"dtd"})
"""Sets of which a corner is taken instead of a resampled whole."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """8-bit images `x` `(n, H, W)` or `(n, H, W, 3)`, what they are, and how they came to their shape.

    `absent` says why there are none; `x` is then empty.
    """

    name: str
    x: Tensor
    what: str
    absent: str = ""

    def __len__(self) -> int:
        return len(self.x)


NAMED = tuple(line.name for line in DATA_NAMES if line.shape)
"""Data sets with a name."""


def defaults(data: str, event_shape: tuple[int, ...]) -> list[str]:
    """The sets to compare with by default, those of the papers where the shape is theirs."""
    if event_shape == (1, 28, 28):
        far = ["mnist", "fashion_mnist", "emnist_letters", "notmnist", "omniglot"]
        return [*(name for name in far if name != data), "noise", "constant", "interpolation"]
    if event_shape == (3, 32, 32):
        far = ["cifar100", "dtd", "svhn"]
        return [*(name for name in far if name != data), "noise", "constant", "interpolation"]
    return ["noise", "constant", "interpolation", "flipped"] if len(event_shape) == 3 else list(NUMBERS)


def to_choose_on(data: str, event_shape: tuple[int, ...]) -> str:
    """The set on which the score to quote is chosen by default."""
    letters = event_shape in ((1, 28, 28), (3, 32, 32)) and data != "emnist_letters"
    return "emnist_letters" if letters else "interpolation"


def check_names(names: Sequence[str], data: str, others: int = 0) -> list[str]:
    """Canonical names; raises `UsageError` for an unknown one, one given twice, the data inside itself, and
    for none unless there are `others`."""
    found = [ALIASES.get(name, name) for name in names]
    for name, given in zip(found, names, strict=True):
        if name not in MADE and name not in NAMED and not is_own(name):
            raise unknown("set", given, (*MADE, *NAMED))
        if name == ALIASES.get(data, data):
            raise UsageError(f"{given} is what the model was trained on: compare it with other sets")
        if found.count(name) > 1:
            raise UsageError(f"{given} is named twice: name every set once")
    if not found and not others:
        raise UsageError(f"no set to compare with: name some of {', '.join((*MADE, *NAMED))}")
    return found


def by_name(against: Given | Sequence[Given] | Mapping[str, Given], data: str) -> dict[str, Given | None]:
    """One set or several by their names, with what is to be read where the name does not say it."""
    if isinstance(against, Mapping):
        made = [str(one) for one in against.values() if isinstance(one, str) and one in MADE]
        own = {name: one for name, one in against.items() if not (isinstance(one, str) and one in made)}
        return {**own, **dict.fromkeys(made)}
    many = isinstance(against, list) or (
        isinstance(against, tuple) and all(isinstance(a, str) for a in against)
    )
    every: list[Any] = list(against) if many else [against]  # type: ignore[arg-type]
    arrays = [one for one in every if not isinstance(one, (str, Path))]
    names = [str(one) for one in every if isinstance(one, (str, Path))]
    found: dict[str, Given | None] = dict.fromkeys(check_names(names, data, len(arrays)))
    return found | {f"{ARRAYS} {k}" if k > 1 else ARRAYS: one for k, one in enumerate(arrays, 1)}


def is_own(name: str) -> bool:
    """Whether a set is a person's own: a folder, or a file of arrays."""
    return bool(DataRecipe.parse(named(name)).places)


def gather(
    name: str,
    inside: Tensor,
    n: int,
    *,
    seed: int,
    split: str = "test",
    whole: bool = False,
    given: Given | None = None,
    on_error: str | None = None,
    table: Table | None = None,
    data_dir: str | Path | None = None,
) -> ImageSet:
    """At most `n` images of the set `name`, of the shape of `inside` (uint8 `(N, H, W)` or `(N, H, W, 3)`).

    Rows of a named set are a random choice from its part `split`, and with `whole` from its training part
    too where that is too small: a set outside has trained nothing. Those of a made set are drawn. `given` are
    images of one's own that are called `name`; numbers are read in the columns of `table`. The same seed
    gives the same images. Raises `UsageError` for an unknown name.
    """
    rng = generator(derive(seed, f"{name}/{split}"))
    if name in MADE and given is None:
        return ImageSet(name, *made_set(name, inside, n, rng))
    numbers = inside.is_floating_point()
    own = given is not None or is_own(name)
    shape = (inside.shape[3] if inside.dim() == 4 else 1, *inside.shape[1:3])
    spec = DataSpec(tuple(inside.shape[1:]) if numbers else shape, table=table) if own else None
    try:
        wanted = "all" if own and whole else split
        data = part_of(name if given is None else given, wanted, spec, on_error=on_error, data_dir=data_dir)
    except DataError as error:
        if own:
            raise
        return ImageSet(name, inside[:0], "", absent=str(error))
    if data.is_image == numbers or (numbers and data.event_shape != tuple(inside.shape[1:])):
        what = f"numbers of {tuple(inside.shape[1:])}" if numbers else "images"
        raise UsageError(f"{name} holds {data.event_shape}, and inside are {what}: compare like with like")
    parts = [data]
    if whole and not own and len(data) < n:
        parts.append(part_of(name, "train", data_dir=data_dir))
    elif own:
        rows = torch.randperm(len(data), generator=rng)[:n]
        told = "; ".join([f"{'all' if whole else data.split} rows", *data.notes])
        return ImageSet(name, data.subset(rows).x, told)
    chosen: list[Tensor] = []
    how = ""
    for part in parts:
        rows = torch.randperm(len(part), generator=rng)[: n - sum(len(x) for x in chosen)]
        x, how = (part.subset(rows).x, "") if numbers else _shaped(part.subset(rows), inside)
        chosen.append(x)
    return ImageSet(name, torch.cat(chosen), " and ".join(f"{p.split} part" for p in parts) + how)


def _shaped(data: Dataset, inside: Tensor) -> tuple[Tensor, str]:
    """The images in the size and colour of `inside`, and what was done to them, in words."""
    height, width = inside.shape[1:3]
    x, told = data.x, []
    if data.name in CUT and min(x.shape[1:3]) >= max(height, width):
        if tuple(x.shape[1:3]) != (height, width):
            told.append(f"top-left {height}x{width} of {x.shape[1]}x{x.shape[2]}")
        x = x[:, :height, :width]
    plain = replace(data, rows=ArrayRows(x), notes=())
    fitted = shaped(plain, (1 if inside.dim() == 3 else 3, height, width))
    return fitted.x, "".join(f", {word}" for word in (*told, *fitted.notes))
