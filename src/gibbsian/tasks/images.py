"""Images that a task asks a model about: a part of a data set, of the model's own shape."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import UsageError
from ..data.dataset import Dataset
from ..data.load import load
from ..models.model import EnergyModel


def images_of(model: EnergyModel, data: str, split: str, data_dir: str | Path | None) -> Dataset:
    """A part of a data set; raises `UsageError` unless it holds images of the model's shape."""
    shape = model.spec.event_shape
    if len(shape) != 3:
        raise UsageError(f"this model takes data of shape {shape}, not images: nothing to restore")
    found = load(data, split, data_dir=data_dir)
    if not found.is_image or found.event_shape != shape:
        raise UsageError(
            f"{data} holds rows of shape {found.event_shape}, this model takes {shape}: give images of the "
            "model's shape"
        )
    return found
