"""Which files of a folder are its images: parts, classes, and what is left out and why.

    DIR/*.png                      one part, no labels
    DIR/CLASS/*.png                one part, labels from the sub-folders' sorted names
    DIR/train/..., DIR/test/...    two parts, each as above; val instead of test will do

Hidden files, what other programs put there, dangling links and pipes are left out; any other file that is no
image is an error, and so is a folder without one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import DataError
from .images import SUFFIXES

HELD_OUT = dict.fromkeys(("test", "val", "valid", "validation"))
"""Names of the folder beside train, the first of them that is there being the test part."""
CLUTTER = {
    "__macosx": "in __MACOSX",
    ".ipynb_checkpoints": "notebook checkpoints",
    "thumbs.db": "of a file manager",
    "desktop.ini": "of a file manager",
}
"""Names, in lower case, of what programs leave in folders."""


@dataclass(frozen=True)
class Listing:
    """Image files of each part with the number of the class that each lies in; `classes` are those names.

    `left` holds a reason for every path that was left out.
    """

    parts: dict[str, tuple[list[Path], list[int]]]
    classes: list[str]
    left: dict[Path, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """The files of all parts."""
        return [path for paths, _ in self.parts.values() for path in paths]

    def notes(self) -> tuple[str, ...]:
        """A line on what was left out, with counts."""
        counts = Counter(self.left.values())
        if not counts:
            return ()
        return (f"left out: {', '.join(f'{n} {reason}' for reason, n in sorted(counts.items()))}",)


def list_images(root: Path) -> Listing:
    """The images below `root`; raises `DataError` on a missing or empty folder and on files that are none."""
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: give the folder that holds the images")
    left: dict[Path, str] = {}
    parts = _parts(root, left)
    classes = sorted({folder.name for part in parts.values() for folder in _folders(part, left)})
    return Listing({name: _images(part, classes, left) for name, part in parts.items()}, classes, left)


def _parts(root: Path, left: dict[Path, str]) -> dict[str, Path]:
    """The folders of "train" and "test", the latter also called val, in capitals or not; or one for all."""
    named = {folder.name.lower(): folder for folder in _folders(root, left)}
    train = named.pop("train", None)
    if train is None or not named.keys() <= HELD_OUT.keys():
        return {"train": root}
    held = next((named[name] for name in HELD_OUT if name in named), None)
    return {"train": train} if held is None else {"train": train, "test": held}


def _images(part: Path, classes: list[str], left: dict[Path, str]) -> tuple[list[Path], list[int]]:
    """Image files with the number of the class folder each lies in."""
    folders, loose = _folders(part, left), _files(part, "*", left)
    if folders and loose:
        raise DataError(f"{part} holds both images ({loose[0].name}, ...) and folders: use one or the other")
    found = [(path, classes.index(f.name)) for f in folders for path in _files(f, "**/*", left)]
    found = found or [(path, 0) for path in loose]
    if not found:
        raise DataError(f"{part} holds no images ({', '.join(sorted(SUFFIXES))})")
    return [path for path, _ in found], [label for _, label in found]


def _folders(part: Path, left: dict[Path, str]) -> list[Path]:
    return sorted(f for f in part.iterdir() if f.is_dir() and _taken(f, part, left))


def _files(folder: Path, pattern: str, left: dict[Path, str]) -> list[Path]:
    files = sorted(f for f in folder.glob(pattern) if not f.is_dir() and _taken(f, folder, left))
    stray = next((f for f in files if f.suffix.lower() not in SUFFIXES), None)
    if stray is not None:
        raise DataError(f"{stray} is not an image ({', '.join(sorted(SUFFIXES))}): remove it from the folder")
    return files


def _taken(path: Path, below: Path, left: dict[Path, str]) -> bool:
    """Whether a path is looked at; the reason is noted where it is not."""
    reason = _reason(path, path.relative_to(below).parts)
    if reason:
        left[path] = reason
    return reason is None


def _reason(path: Path, parts: tuple[str, ...]) -> str | None:
    clutter = next((CLUTTER[part.lower()] for part in parts if part.lower() in CLUTTER), None)
    if clutter or any(part.startswith(".") for part in parts):
        return clutter or "hidden"
    if path.is_file() or path.is_dir():
        return None
    return "dangling links" if path.is_symlink() else "pipes or devices"
