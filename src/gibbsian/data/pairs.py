"""Two domains as one data set, `SOURCE:to:TARGET`: rows of the target, each with an image of the source.

The images are not pairs: which source image stands beside which target image is a fixed permutation. That
is all that one-sided translation needs, since its loss is a difference of two means.
"""

from __future__ import annotations

import numpy as np
import torch

from ..core.errors import UsageError
from .dataset import Dataset, from_arrays
from .images import fit_all
from .recipe import WORD


def domains(name: str) -> tuple[str, str] | None:
    """Source and target of a name such as `mnist:to:emnist_letters`; None for other names.

    Raises `UsageError` where one of them is missing.
    """
    if WORD not in name:
        return None
    source, _, target = name.partition(WORD)
    if not source or not target or WORD in target:
        raise UsageError(
            f"'{name}' names no two sets: write SOURCE{WORD}TARGET, as in mnist:to:emnist_letters"
        )
    return source, target


def two_domains(source: Dataset, target: Dataset, name: str) -> Dataset:
    """Rows and labels of `target` with images of `source`, cropped and coloured alike, as conditions.

    Where the source has fewer images they come again. Raises `UsageError` unless both hold images.
    """
    if not source.is_image or not target.is_image:
        other = target if source.is_image else source
        raise UsageError(f"translation needs two sets of images, and {other.name} holds points")
    channels, height, width = target.event_shape
    if height != width and source.event_shape[1:] != (height, width):
        raise UsageError(f"'{name}': images of {height}x{width} cannot be cut to; choose square ones")
    rows = torch.from_numpy(np.random.RandomState(0).permutation(len(target)) % len(source))
    images = fit_all(source.rows.read(rows).numpy(), height, channels == 1)
    x = target.x
    return from_arrays(
        x, target.y, name=name, split=target.split, classes=target.classes or None, cond=images
    )
