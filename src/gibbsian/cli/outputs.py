"""The files that `gibbsian sample` writes: pictures, arrays, animations, chain strips."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from .runs import require_writable

if TYPE_CHECKING:
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
        if table and len(model.spec.event_shape) != 1:
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
            write_npz(arrays(model, drawn), self.npz)
        if self.table:
            _write(packed_rows(model, drawn, self.table.suffix.lower()), self.table)
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


def arrays(model: EnergyModel, drawn: Samples) -> dict[str, Any]:
    """`x` as uint8 for images and float32 otherwise, `energy` float32, `y` int64 where labels were given."""
    from ..report.pictures import to_uint8

    pixels, shape = model.spec, model.spec.event_shape
    image = len(shape) == 3 and shape[0] in (1, 3)
    rows = drawn.x.detach() if pixels.table is None else pixels.table.in_units(drawn.x.detach())
    x = to_uint8(drawn.x, pixels.low, pixels.high) if image else rows.float().cpu().numpy()
    named = {"x": x, "energy": drawn.energy.detach().float().cpu().numpy()}
    return named if drawn.y is None else {**named, "y": drawn.y.cpu().numpy()}


def packed_rows(model: EnergyModel, drawn: Samples, ending: str) -> bytes:
    """Samples in the units of the table: an array as .npy, or text under a line of names with the classes of
    conditional models in the last column.
    """
    import numpy as np

    spec, packed, text = model.spec, io.BytesIO(), io.StringIO()
    x = drawn.x.detach().cpu()
    rows = (x.double() if spec.table is None else spec.table.in_units(x)).numpy()
    if ending == ".npy":
        np.save(packed, rows.astype(np.float32))
        return packed.getvalue()
    names = (
        spec.table.names
        if spec.table and spec.table.names
        else [f"column {i + 1}" for i in range(len(rows[0]))]
    )
    classes, label = (spec.table.classes, spec.table.label) if spec.table else ((), "")
    y = [] if drawn.y is None else [classes[i] if i < len(classes) else str(i) for i in drawn.y.tolist()]
    writer = csv.writer(text, delimiter="\t" if ending == ".tsv" else ",", lineterminator="\n")
    writer.writerow([*names, *([label or "label"] if y else [])])
    writer.writerows([*(f"{v:.9g}" for v in row), *y[i : i + 1]] for i, row in enumerate(rows.tolist()))
    return text.getvalue().encode()


def write_npz(named: Mapping[str, Any], path: Path) -> None:
    """Write arrays aside and rename; raises `UsageError` where that fails."""
    import numpy as np

    packed = io.BytesIO()
    np.savez_compressed(packed, **named)
    _write(packed.getvalue(), path)


def _write(packed: bytes, path: Path) -> None:
    aside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(packed)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}; choose a folder you can write") from error
