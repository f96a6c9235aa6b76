"""Which files of a folder are its images: parts, classes, and what is left out and why.

    DIR/*.png                      one part, no labels
    DIR/CLASS/*.png                one part, labels from the sub-folders' sorted names
    DIR/train/..., DIR/test/...    two parts, each as above; by other usual names too, see `PART`
    FILE.png                       one image

Hidden files, what other programs put there, dangling links, pipes and folders without images are left out;
any other file that is no image is an error unless broken ones are to be skipped, and so is a folder without
images.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import DataError
from .recipe import SUFFIXES

PART = re.compile(
    r"(?:.*[_\- .])?(?:(train(?:ing)?)|(test(?:ing)?)|val(?:id(?:ation)?)?|dev|eval)"
    r"(?:[_\- .]?(?:set|data|images|\d+))?",
    re.IGNORECASE,
)
"""Names of folders that are parts: of training, of testing, and others that may stand in for testing."""
MENDED = 10
"""Files that may be mended or removed without the rest being taken for other data."""
CLUTTER = {
    "__macosx": "in __MACOSX",
    ".ipynb_checkpoints": "notebook checkpoints",
    **dict.fromkeys(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"), "of a file manager"),
    "@eadir": "thumbnails of a file server",
    "lost+found": "in lost+found",
    "$recycle.bin": "in $RECYCLE.BIN",
    "__pycache__": "in __pycache__",
}
"""Names, in lower case, of what programs leave in folders."""


@dataclass(frozen=True)
class Listing:
    """Image files of each part with the number of the class that each lies in; `classes` are those names.

    `left` holds a reason for every path that was left out, `sizes` the bytes of each when a run began, `said`
    lines on parts and classes.
    """

    parts: dict[str, tuple[list[Path], list[int]]]
    classes: list[str]
    left: dict[Path, str] = field(default_factory=dict)
    sizes: dict[Path, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()

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
        """Lines on parts, on classes, and on what was left out, with counts."""
        counts = Counter(self.left.values())
        left = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items()))
        return (*self.said, *([f"left out: {left}"] if left else []))


def list_images(root: Path, skip: bool = False) -> Listing:
    """The images below `root`, or itself if it is a file.

    Raises `DataError` on a missing or empty folder, and on files that are no images unless they are to be
    skipped.
    """
    if root.is_file():
        return Listing({"train": ([root], [0])}, [])
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: give the folder that holds the images")
    left: dict[Path, str] = {}
    parts, said = _parts(root, left)
    found = {name: _images(part, left, skip) for name, part in parts.items()}
    classes = sorted({label for images in found.values() for label in images if label})
    numbers = {"": 0} | {label: i for i, label in enumerate(classes)}
    listed = {
        name: (
            [p for paths in images.values() for p in paths],
            [numbers[c] for c in images for _ in images[c]],
        )
        for name, images in found.items()
    }
    if len(classes) > 1:
        some = ", ".join([*classes[:5], "..."][: len(classes) if len(classes) < 6 else 6])
        said = (*said, f"labels are the names of {len(classes)} folders: {some}")
    return Listing(listed, classes, left, said=said)


def all_images(root: Path, skip: bool = False) -> Listing:
    """The images of every folder below `root`, or the one file `root`, as one part "all" without labels.

    Raises as `list_images`.
    """
    if not root.exists():
        raise DataError(f"there is no folder or file {root}: give the images")
    left: dict[Path, str] = {}
    found = [root] if root.is_file() else _files(root, True, left, skip)
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
    new = len(set(list_images(root, skip=True).paths) - listing.sizes.keys())
    counts = {"gone": len(gone), "changed": changed, "new and not read": new}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    if len(gone) + changed > max(MENDED, n // 100):
        raise DataError(
            f"of the {n} files in {root} that the run began with {told}: these are other data, take the same "
            "files or start anew with --init-from"
        )
    return (f"of the {n} files that the run began with: {told}",) if told else ()


def _parts(root: Path, left: dict[Path, str]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folders of "train" and "test" by their usual names, or one for all, and a line on that."""
    named: dict[str, list[Path]] = {"train": [], "test": [], "other": []}
    rest: list[Path] = []
    for folder in sorted(_folders(root, left), key=lambda folder: (len(folder.name), folder.name)):
        match = PART.fullmatch(folder.name)
        kind = "train" if match and match[1] else "test" if match and match[2] else "other"
        (named[kind] if match else rest).append(folder)
    held = [*named["test"], *named["other"]]
    if held and not rest and not named["train"]:
        raise DataError(
            f"{root} holds a folder {held[0].name} and none called train: give the one with the images to "
            f"train on, such as {held[0]}"
        )
    if not named["train"] or (rest and not held):
        return {"train": root}, ()
    train, *more = named["train"]
    unread = [*more, *held[1:], *rest]
    said = f"{train.name} is trained on"
    if held:
        said += f", {held[0].name} is the test part"
    if unread:
        said += f", not read: {', '.join(folder.name for folder in unread)}"
    parts = {"train": train, "test": held[0]} if held else {"train": train}
    return parts, (said,) if held or unread else ()


def _images(part: Path, left: dict[Path, str], skip: bool) -> dict[str, list[Path]]:
    """Image files by the name of the class folder that they lie in, "" for loose ones."""
    folders, loose = {}, _files(part, False, left, skip)
    for folder in _folders(part, left):
        files = _files(folder, True, left, skip)
        if files:
            folders[folder.name] = files
        else:
            left[folder] = "folders without images"
    if folders and loose:
        raise DataError(f"{part} holds both images ({loose[0].name}, ...) and folders: use one or the other")
    if not folders and not loose:
        raise DataError(f"{part} holds no images ({', '.join(sorted(SUFFIXES))})")
    return folders or {"": loose}


def _folders(part: Path, left: dict[Path, str]) -> list[Path]:
    return sorted(f for f in part.iterdir() if f.is_dir() and _taken(f, part, left))


def _files(folder: Path, deep: bool, left: dict[Path, str], skip: bool) -> list[Path]:
    found = _below(folder) if deep else folder.iterdir()
    files = sorted(f for f in found if not f.is_dir() and _taken(f, folder, left))
    stray = [f for f in files if f.suffix.lower() not in SUFFIXES]
    if stray and not skip:
        raise DataError(
            f"{stray[0]} is not an image that is read ({', '.join(sorted(SUFFIXES))}): convert or remove "
            "it, or leave such files out with --on-error skip"
        )
    left |= {f: f"{f.suffix or 'other'} files" for f in stray}
    return [f for f in files if f not in left]


def _below(folder: Path) -> Iterator[Path]:
    """All files below, those of linked folders too, each folder once."""
    seen = {os.path.realpath(folder)}
    for here, folders, files in os.walk(folder, followlinks=True):
        found = {os.path.realpath(Path(here, name)): name for name in sorted(folders, reverse=True)}
        folders[:] = [name for place, name in found.items() if place not in seen]
        seen |= found.keys()
        yield from (Path(here, name) for name in files)


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
