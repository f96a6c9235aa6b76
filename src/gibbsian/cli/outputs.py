"""The files that `gibbsian sample` writes: pictures, arrays, animations, chain strips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .runs import require_writable

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.model import EnergyModel
    from ..models.samples import Samples
    from ..tasks.film import Film
    from ..tasks.strips import Strip


ROWS = (".csv", ".tsv", ".npy")
"""Endings of files of rows."""


@dataclass(frozen=True)
class Outputs:
    """The files to write."""

    out: Path | None
    npz: Path | None
    gif: Path | None
    strip: Path | None
    table: Path | None = None
    """Rows as .csv or .tsv with names of columns, or as an array, .npy."""

    @staticmethod
    def chosen(
        model: EnergyModel, out: str | None, npz: str | None, gif: str | None, strip: str | None
    ) -> Outputs:
        """What was asked for, or a default; raises `UsageError` for pictures of what cannot be drawn."""
        from ..report.pictures import require_format
        from ..tasks.film import drawable

        can_draw, table = drawable(model.spec.event_shape), None
        if out and Path(out).suffix.lower() in (*ROWS, ".npz"):
            out, table, npz = (None, out, npz) if Path(out).suffix.lower() in ROWS else (None, None, out)
        named = model.spec.table is not None and bool(model.spec.table.names)
        if not (can_draw or out or npz or gif or strip or table) and named:
            table = "samples.csv"
        shape, whole = model.spec.event_shape, str(table).lower().endswith(".npy")
        if table and len(shape) != 1 and not (len(shape) == 2 and (whole or shape[0] == 1)):
            raise UsageError(
                f"{table} holds rows of numbers, not data of shape {model.spec.event_shape}: use --npz"
            )
        if not can_draw and (out or gif or strip):
            raise UsageError(
                f"data of shape {model.spec.event_shape} have no picture: use --npz or --out FILE.csv"
            )
        if not (table or out or npz or gif or strip):
            out, npz = ("samples.png", None) if can_draw else (None, "samples.npz")
        paths = [Path(p) if p else None for p in (out, npz, gif, strip, table)]
        _require_files([path for path in paths if path])
        for option, name in (("npz", npz), ("gif", gif)):
            if name and Path(name).suffix.lower() != f".{option}":
                raise UsageError(f"--{option} is {name}: it writes a .{option} file, so name it so")
        for picture in filter(None, (out, strip)):
            require_format(Path(picture))
        return Outputs(*paths)

    def write(
        self, model: EnergyModel, drawn: Samples, film: Film, strip: Strip | None, columns: int | None
    ) -> None:
        """Write them, each aside and renamed."""
        from ..report.pictures import save_gif, save_image
        from ..tasks.film import frames, painter

        if self.npz:
            replace(drawn, x=_in_units(model, drawn.x), range=(model.spec.low, model.spec.high)).save(
                self.npz
            )
        if self.table:
            _write_rows(model, drawn, self.table)
        if self.out:
            save_image(painter(model, drawn.x, columns)(drawn.x), self.out)
        if self.gif:
            save_gif(frames(model, film, columns), self.gif)
        if self.strip and strip:
            save_image(strip.picture(model), self.strip)

    def named(self) -> dict[str, str]:
        """The files by option."""
        return {k: str(v) for k, v in vars(self).items() if v is not None}


def _require_files(paths: list[Path]) -> None:
    """Refuse folders and one name for two files, and make the folders, before long work begins."""
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: name a file")
        if paths.count(path) > 1:
            raise UsageError(f"{path} is named for two outputs: choose another name for one of them")
        require_writable(path.parent)


def _in_units(model: EnergyModel, x: Tensor) -> Tensor:
    return x if model.spec.table is None else model.spec.table.in_units(x.detach())


def _write_rows(model: EnergyModel, drawn: Samples, path: Path) -> None:
    """Samples in the units of the table, under its names, with the classes of conditional models last."""
    from ..report import arrays
    from ..tasks.rows import named_rows

    if path.suffix.lower() == ".npy":
        x = _in_units(model, drawn.x.detach().cpu().double())
        arrays.write(path, {"x": x.float().numpy()})
        return
    rows = named_rows(model, drawn.x, drawn.y)
    arrays.write_table(path, rows.x.tolist(), rows.names, rows.y, rows.label)
