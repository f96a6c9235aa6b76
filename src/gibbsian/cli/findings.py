"""What the verbs that use a trained model write: a record, its text, pictures, films and plots."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import UsageError
from ..core.files import write_whole
from .result import plain
from .runs import exported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image


class Findings(Protocol):
    """What a task returns: plain values, tables for people, matplotlib figures by name."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `--json` prints them."""

    def text(self) -> str:
        """Tables and notes."""

    def figures(self) -> dict[str, Any]:
        """Matplotlib figures by name; they need the extra `plot`, and are left out without it."""


def write(
    found: Findings,
    name: str,
    folder: Path,
    *,
    prefix: str = "",
    pictures: Mapping[str, Image.Image] | None = None,
    films: Mapping[str, Sequence[Image.Image]] | None = None,
) -> list[Path]:
    """NAME.json, NAME.txt, `pictures` as .png, `films` as .gif, figures as PREFIX + name; returns the paths.

    Raises `UsageError` where that fails.
    """
    from ..report.pictures import save_gif, save_image

    paths = [folder / f"{name}.json", folder / f"{name}.txt"]
    try:
        write_whole(paths[0], json.dumps(plain(found.to_dict()), indent=1, allow_nan=False) + "\n")
        write_whole(paths[1], found.text() + "\n")
        for title, picture in (pictures or {}).items():
            paths.append(folder / f"{title}.png")
            save_image(picture, paths[-1])
        for title, frames in (films or {}).items():
            paths.append(folder / f"{title}.gif")
            save_gif(frames, paths[-1])
        if find_spec("matplotlib") is None:
            say("no plots without matplotlib: pip install 'gibbsian[plot]'")
            return paths
        for title, figure in found.figures().items():
            paths.append(folder / f"{prefix}{title}.png")
            figure.savefig(paths[-1], dpi=110)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}; choose another --out") from error
    return paths


def place(run: str, word: str) -> Path:
    """The folder `word` inside the run folder; in the current folder for an exported model."""
    if exported(run):
        return Path(word)
    from ..train.load import locate

    return locate(Path(run))[1].path / word


def numbers(option: str, text: str) -> list[int]:
    """Whole numbers between commas; raises `UsageError` for anything else."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} is '{text}': give whole numbers with commas, such as 0,10,50") from error


def decimals(option: str, text: str) -> list[float]:
    """Numbers between commas; raises `UsageError` for anything else."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} is '{text}': give numbers with commas, such as 0,0.1,0.3") from error


def names(text: str) -> list[str]:
    """Words between commas, none of them empty."""
    return [word.strip() for word in text.split(",") if word.strip()]


@contextmanager
def progress(what: str, unit: str = "step") -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr with rate and time left: call what it yields with (done, total, note)."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, disable=None, leave=False) as bar:

        def advance(done: int, total: int, note: str = "") -> None:
            bar.total = total
            bar.set_postfix_str(note, refresh=False)
            bar.update(done - bar.n)

        yield advance


def say(text: str) -> None:
    """A line for people while a command works."""
    print(text, file=sys.stderr, flush=True)
