"""What the verbs that use a trained model read and write: the run, its data, a record, pictures, plots."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.device import usable
from ..core.errors import UsageError
from ..core.files import write_whole
from ..core.pace import Pace, to_stderr
from .result import Result, plain
from .runs import asked_data, cut_short, exported, require_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from ..models.model import EnergyModel


class Results(Protocol):
    """What a task returns: plain values, tables for people, matplotlib figures by name."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `--json` prints them."""

    def text(self) -> str:
        """Tables and notes."""

    def figures(self) -> dict[str, Any]:
        """Matplotlib figures by name; they need the extra `plot`, and are left out without it."""


@dataclass(frozen=True)
class Opened:
    """A trained model on its device, the data that it is looked at with, and the folder to write to."""

    model: EnergyModel
    data: str
    folder: Path


def opened(
    run: str,
    word: str,
    *,
    out: str | None,
    data: str | None,
    which: str = "newest",
    device: str = "cpu",
    needs_data: bool = True,
) -> Opened:
    """Load the model of `run`. The folder is `out`, or `word` in the run's; the data are those of training
    unless they are named, "" if nobody does and none are needed.

    Raises `UsageError`, before anything is loaded, for an unknown device, for data that are needed and that
    nobody names, and for a folder that cannot be written.
    """
    from ..tasks.parts import recipe_for
    from ..train.load import load

    usable(device)
    folder, name = Path(out) if out else place(run, word), asked_data(run, data)
    if not name and needs_data:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    require_writable(folder)
    model = load(run, which=which).inner.to(device)
    return Opened(model, str(recipe_for(name, model.spec)) if data else name, folder)


def finished(
    run: str,
    found: Results,
    name: str,
    folder: Path,
    *,
    pictures: Mapping[str, Image.Image] | None = None,
    films: Mapping[str, Sequence[Image.Image]] | None = None,
    which: str = "newest",
    **head: Any,
) -> Result:
    """Write what was found as NAME.json and so on, plots with NAME- before their names, and say so; files in
    folders of their own, which are many, are only counted.
    """
    cut = cut_short(run, which)
    written = write(found, name, folder, prefix=f"{name}-", pictures=pictures, films=films, cut=cut)
    lines = [f"wrote {path}" for path in written if path.parent == folder]
    apart = Counter(path.parent for path in written if path.parent != folder)
    lines += [f"wrote {n} picture{'s' if n > 1 else ''} in {place}" for place, n in apart.items()]
    told = "\n".join([with_cut(found.text(), cut), "", *lines])
    about = {**head, "run": run, **({"cut_short": cut} if cut else {})}
    return Result({**about, **found.to_dict(), "written": [str(p) for p in written]}, told)


def with_cut(text: str, cut: str) -> str:
    """Tables below a line that says that training was cut short, if it was (see `runs.cut_short`)."""
    return f"training was cut short: {cut}\n\n{text}" if cut else text


def write(
    found: Results,
    name: str,
    folder: Path,
    *,
    prefix: str = "",
    pictures: Mapping[str, Image.Image] | None = None,
    films: Mapping[str, Sequence[Image.Image]] | None = None,
    cut: str = "",
) -> list[Path]:
    """NAME.json, NAME.txt, `pictures` as .png, `films` as .gif, figures as PREFIX + name; returns the paths.

    Raises `UsageError` where that fails.
    """
    from ..report.pictures import save_gif, save_image

    paths = [folder / f"{name}.json", folder / f"{name}.txt"]
    try:
        values = {**({"cut_short": cut} if cut else {}), **found.to_dict()}
        write_whole(paths[0], json.dumps(plain(values), indent=1, allow_nan=False) + "\n")
        write_whole(paths[1], with_cut(found.text(), cut) + "\n")
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
    """A bar on stderr with rate and time left, or lines now and then where no terminal shows it: call what it
    yields with (done, total, note).
    """
    from tqdm import tqdm

    pace = Pace(what, unit)
    with tqdm(desc=what, unit=unit, disable=None, leave=False) as bar:

        def advance(done: int, total: int, note: str = "") -> None:
            if bar.disable:
                return pace(done, total, note)
            bar.total = total
            bar.set_postfix_str(note, refresh=False)
            bar.update(done - bar.n)

        yield advance


say = to_stderr
