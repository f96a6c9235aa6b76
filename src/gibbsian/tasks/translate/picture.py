"""What one looks at: source, translation, and where the chain was busy."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core.position import leaves
from ...models.model import EnergyModel
from ...report.pictures import grid, ramp, to_uint8
from ..film import Film, decoded

SHOWN = 12


def sheet(
    model: EnergyModel, x: Tensor, moved: Tensor, film: Film, pairs: Tensor | None = None
) -> Image.Image:
    """Rows of images: source, translation, change along the chain, and the true pair where there is one; 12
    images at most. All in the model's range.
    """
    low, high = model.spec.low, model.spec.high
    n = min(SHOWN, len(x))
    rows = [_colour(to_uint8(images[:n], low, high)) for images in (x, moved)]
    rows.append(_change(model, film, n))
    if pairs is not None:
        rows.append(_colour(to_uint8(pairs[:n], low, high)))
    return grid(np.concatenate(rows), columns=n)


def _change(model: EnergyModel, film: Film, n: int) -> np.ndarray:
    """The summed |x_k - x_j| between kept positions, over channels, brightest where it is least (uint8)."""
    x = torch.stack(decoded(model, [leaves(p)[0] for p in film.positions], n))
    moved = (x[1:] - x[:-1]).abs().sum((0, 2)) if len(x) > 1 else torch.zeros(x.shape[1], *x.shape[3:])
    top = moved.flatten(1).amax(1).clamp(min=1e-12)[:, None, None]
    return ramp((moved / top).cpu().double().numpy())


def _colour(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)
