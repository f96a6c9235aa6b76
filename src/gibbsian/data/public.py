"""Public sets by name: their files where they lie, or fetched where they have an address."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from .download import fetch
from .places import data_folders, download_folder
from .readers import Arrays
from .sources import SOURCES, WHOLE, Source


def read_named(name: str, split: str, data_dir: str | Path | None) -> tuple[Arrays, bool]:
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
