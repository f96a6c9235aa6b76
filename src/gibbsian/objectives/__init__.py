"""Numbers to minimise. Objectives know energies, never the samplers that made the negatives.

Names are imported when first used, so that `settings` is read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .settings import LossConfig

if TYPE_CHECKING:
    from .contrast import contrast, energy_l2

_NAMES = {
    "contrast": "contrast",
    "energy_l2": "contrast",
}

__all__ = ["LossConfig", "contrast", "energy_l2"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
