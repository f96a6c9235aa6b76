"""Before and after side by side, the chain as a film, restored files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from ...report.pictures import beside, film_frames, grid, to_uint8
from .complete import Completed

ROWS, FILMED, FILES = 10, 16, 16


def before_after(columns: Mapping[str, Tensor]) -> Image.Image:
    """Images `(N, C, H, W)` in [0, 1] by title, a column each, the first ten of them."""
    return beside([grid(to_uint8(x[:ROWS], 0.0, 1.0), 1) for x in columns.values()], list(columns))


def film(done: Completed, low: float, high: float) -> list[Image.Image]:
    """The first chain of the first images on its way, above the curve of the mean energy."""
    return film_frames([grid(to_uint8(x, low, high)) for x in done.frames], done.frame_energies)


def files(x: Tensor, names: Sequence[str]) -> dict[str, Image.Image]:
    """Completions `(M, N, C, H, W)` in [0, 1] as pictures of their own size: NAME, or NAME-1, NAME-2, ..."""
    found = {}
    for k, one in enumerate(x, 1):
        for name, pixels in zip(names, to_uint8(one[: len(names)], 0.0, 1.0), strict=True):
            found[name if len(x) == 1 else f"{name}-{k}"] = Image.fromarray(pixels)
    return found
