"""Images of a set in memory, brought to another size or colour."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..core.errors import UsageError
from .dataset import Dataset
from .images import fit_all
from .options import shape_name
from .recipe import DataRecipe
from .rows import ArrayRows


def resized(data: Dataset, how: DataRecipe) -> Dataset:
    """Images of a set in memory in the size and colour of a recipe, and a line on that."""
    if how.size is None and how.grey is None:
        return data
    if not data.is_image:
        shape = data.event_shape
        raise UsageError(f"size and grey are for images, but {data.name} holds numbers of shape {shape}")
    (_, height, width), cond = data.event_shape, data.cond
    rows = ArrayRows(torch.from_numpy(fit_all(data.x.numpy(), how.size, how.grey, how)))
    if cond is not None:
        cond = torch.from_numpy(fit_all(cond.numpy(), how.size, how.grey, how))
    size, notes = how.size or (height, width), data.notes
    if size != (height, width):
        way = {"pad": "padded", "stretch": "stretched"}.get(how.resize or "", "cropped to the centre")
        notes = (*notes, f"images of {height}x{width} brought to {shape_name(size)}: {way} and resampled")
    return replace(data, rows=rows, cond=cond, notes=notes)
