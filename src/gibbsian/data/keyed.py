"""Arrays by name: which of them are the data, which the labels, and of which part.

x, images, data, features, ...                 with y, labels, target, ...: one part
train_x, x_train, trainX, train_images, train, test_x, ...    several parts
a single array                                 the data, whatever it is called
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..core.errors import DataError
from .readers import Arrays, read_npz

DATA = [*"x images image img data features inputs input samples pixel_values arr_0".split(), ""]
LABELS = "y labels label targets target class arr_1".split()
NAMES = "label_names class_names".split()
BETWEEN = re.compile(r"[_\W]+|(?<=[a-z])(?=[A-Z])|(?<=^[xyXY])(?=train|test|val)")
"""Where the name of an array is cut into words."""
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
}


class Keys(NamedTuple):
    """The names of one part: of the data, and of the labels if there are any."""

    x: str
    y: str | None = None


def keys_of(names: Iterable[str], what: str) -> tuple[dict[str, Keys], tuple[str, ...]]:
    """The names of each part that there is, one part being "train", and a line on what is not plain.

    Raises `DataError` where no name is known for data.
    """
    names = [name for name in names]
    stems: dict[str, dict[str, str]] = {}
    for name in names:
        words = [word.lower() for word in BETWEEN.split(name)]
        part = next((PARTS[word] for word in words if word in PARTS), "")
        stem = "_".join(word for word in words if word not in PARTS)
        stems.setdefault(part, {}).setdefault(stem, name)
    parts = {part: keys for part, known in stems.items() if (keys := _keys(known)) is not None}
    if not parts and len(names) == 1:
        parts = {"": Keys(names[0])}
    one = parts.pop("train", None) or parts.get("")
    if one is None:
        raise DataError(
            f"{what} holds {', '.join(names) or 'nothing'}: expected x (and y), images (and labels), or "
            "train_x, train_y, test_x, test_y"
        )
    held = parts.get("test") or parts.get("validation")
    found = {"train": one} | ({} if held is None or "" in parts else {"test": held})
    used = {name for keys in found.values() for name in keys}
    unread = [name for name in names if name not in used and name.lower() not in NAMES]
    said = f"'{one.x}' is the data" + (f", '{one.y}' the labels" if one.y else "")
    said += f", not read: {', '.join(unread)}" if unread else ""
    return found, () if not unread and one.x in ("x", "train_x") or len(names) == 1 else (said,)


def _keys(known: Mapping[str, str]) -> Keys | None:
    x = next((known[stem] for stem in DATA if stem in known), None)
    y = next((known[stem] for stem in LABELS if stem in known), None)
    return None if x is None else Keys(x, y)


def read_keyed(path: Path, split: str) -> tuple[Arrays, bool]:
    """A person's .npz or .safetensors, and whether it is one part that is still to be cut."""
    arrays = read_npz(path) if path.suffix.lower() == ".npz" else read_tensors(path)
    parts, notes = keys_of(arrays, str(path))
    x, y = parts.get(split, parts["train"])
    names = next((arrays[name] for name in NAMES if name in arrays), None)
    classes = None if names is None else tuple(str(name) for name in names)
    found = Arrays(arrays[x], None if y is None else arrays[y], classes, notes=notes)
    others = [keys for part, keys in parts.items() if part != ("test" if split == "test" else "train")]
    return (_beside(found, arrays, others[0], f"{path}: {x}") if others else found), len(parts) == 1


def _beside(part: Arrays, arrays: Mapping[str, np.ndarray], other: Keys, what: str) -> Arrays:
    """`part` with the rows of the other behind, so that range, layout and classes are those of both."""
    x, n = arrays[other.x], len(part.x)
    alike = x.shape[1:] == part.x.shape[1:] and (x.dtype == np.uint8) == (part.x.dtype == np.uint8)
    if not alike or 0 in (x.size, part.x.size):
        said = f"{what} holds {part.x.dtype} of shape {part.x.shape}, {other.x} {x.dtype} of {x.shape}"
        raise DataError(f"{said}: store both parts alike")
    y = part.y
    if y is not None and y.shape[:1] == (n,):
        more = y[:1] if other.y is None else arrays[other.y]
        known = more.shape[1:] == y.shape[1:] and len(more) == len(x) and more.dtype.kind == y.dtype.kind
        y = np.concatenate([y, more if known else np.repeat(y[:1], len(x), 0)])  # which is not read
    return replace(part, x=np.concatenate([part.x, x]), y=y, rows=n)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a .safetensors by name."""
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read as .safetensors ({error})") from error
    return {k: (v.float() if v.dtype == torch.bfloat16 else v).numpy() for k, v in tensors.items()}
