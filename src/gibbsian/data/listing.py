"""Which files of a folder are its images: parts, classes, and what is left out and why.

    DIR/*.png                      one part, no labels
    DIR/CLASS/*.png                one part, labels from the sub-folders' sorted names
    DIR/train/..., DIR/test/...    two parts, each as above; val instead of test will do

Hidden files, what other programs put there, dangling links and pipes are left out; any other file that is no
image is an error, and so is a folder without one.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import DataError
from .images import SUFFIXES
from .recipe import FILES

HELD_OUT = dict.fromkeys(("test", "val", "valid", "validation"))
"""Names of the folder beside train, the first of them that is there being the test part."""
MENDED = 10
"""Files that may be mended or removed without the rest being taken for other data."""
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

    `left` holds a reason for every path that was left out, `sizes` the bytes of each when a run began.
    """

    parts: dict[str, tuple[list[Path], list[int]]]
    classes: list[str]
    left: dict[Path, str] = field(default_factory=dict)
    sizes: dict[Path, int] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """The files of all parts."""
        return [path for paths, _ in self.parts.values() for path in paths]

    def size(self, path: Path) -> int:
        """Bytes of a file, those of the time when the list was written if it was."""
        return self.sizes[path] if path in self.sizes else path.stat().st_size

    def gone(self) -> set[Path]:
        """Files of the list that are there no more."""
        return {path for path in self.sizes if not path.is_file()}

    def text(self, root: Path) -> str:
        """The list as `read_listing` takes it, with paths below `root` and sizes."""
        parts = {
            name: [
                [str(path.relative_to(root)), label, self.size(path)]
                for path, label in zip(*part, strict=True)
            ]
            for name, part in self.parts.items()
        }
        return json.dumps({"classes": self.classes, "parts": parts}, indent=0)

    def notes(self) -> tuple[str, ...]:
        """A line on what was left out, with counts."""
        counts = Counter(self.left.values())
        if not counts:
            return ()
        return (f"left out: {', '.join(f'{n} {reason}' for reason, n in sorted(counts.items()))}",)


def list_images(root: Path) -> Listing:
    """The images below `root`; raises `DataError` on a missing or empty folder and on files that are none."""
    if root.is_file():
        raise DataError(f"{root} is one file: give a folder of images, or a file of {', '.join(FILES)}")
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: give the folder that holds the images")
    left: dict[Path, str] = {}
    parts = _parts(root, left)
    classes = sorted({folder.name for part in parts.values() for folder in _folders(part, left)})
    return Listing({name: _images(part, classes, left) for name, part in parts.items()}, classes, left)


def all_images(root: Path) -> Listing:
    """The images of every folder below `root`, or the one file `root`, as one part "all" without labels.

    Raises as `list_images`.
    """
    if not root.exists():
        raise DataError(f"there is no folder or file {root}: give the images")
    left: dict[Path, str] = {}
    found = [root] if root.is_file() else _files(root, "**/*", left)
    if not found:
        raise DataError(f"{root} holds no images ({', '.join(sorted(SUFFIXES))})")
    return Listing({"all": (found, [0] * len(found))}, [], left)


def read_listing(file: Path, root: Path) -> tuple[Listing, tuple[str, ...]]:
    """The images below `root` when a run began, by the list that it wrote, and a line on what has changed.

    Rows and parts so stay the same where a broken file was mended or removed. Raises `DataError` for a
    damaged list, and where more than a hundredth of the files, and more than ten, are gone or changed.
    """
    try:
        stored = json.loads(file.read_text())
        rows = {
            name: [(root / p, int(c), int(n)) for p, c, n in part] for name, part in stored["parts"].items()
        }
        classes = [str(name) for name in stored["classes"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is no list of a run's files: restore it, or remove it") from error
    parts = {name: ([p for p, _, _ in part], [c for _, c, _ in part]) for name, part in rows.items()}
    listing = Listing(parts, classes, sizes={p: n for part in rows.values() for p, _, n in part})
    return listing, _drift(listing, root)


def _drift(listing: Listing, root: Path) -> tuple[str, ...]:
    gone, n = listing.gone(), len(listing.sizes)
    changed = sum(path not in gone and path.stat().st_size != size for path, size in listing.sizes.items())
    new = len(set(list_images(root).paths) - listing.sizes.keys())
    counts = {"gone": len(gone), "changed": changed, "new and not read": new}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    if len(gone) + changed > max(MENDED, n // 100):
        raise DataError(
            f"of the {n} files in {root} that the run began with {told}: these are other data, take the same "
            "files or start anew with --init-from"
        )
    return (f"of the {n} files that the run began with: {told}",) if told else ()


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
