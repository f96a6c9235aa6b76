"""The files that `gibbsian sample` writes: pictures, arrays, animations, chain strips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .runs import require_writable

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..models.samples import Samples
    from ..tasks.film import Film
    from ..tasks.strips import Strip


@dataclass(frozen=True)
class Outputs:
    """The files to write."""

    out: Path | None
    npz: Path | None
    gif: Path | None
    strip: Path | None

    @staticmethod
    def chosen(
        model: EnergyModel, out: str | None, npz: str | None, gif: str | None, strip: str | None
    ) -> Outputs:
        """What was asked for, or a default; raises `UsageError` for pictures of what cannot be drawn."""
        from ..report.pictures import require_format
        from ..tasks.film import drawable

        can_draw = drawable(model.spec.event_shape)
        if not can_draw and (out or gif or strip):
            raise UsageError(f"data of shape {model.spec.event_shape} have no picture: use --npz")
        if not (out or npz or gif or strip):
            out, npz = ("samples.png", None) if can_draw else (None, "samples.npz")
        paths = [Path(p) if p else None for p in (out, npz, gif, strip)]
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
            replace(drawn, range=(model.spec.low, model.spec.high)).save(self.npz)
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
