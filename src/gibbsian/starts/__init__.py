"""Where chains begin: noise, data, a fitted Gaussian, or stored chains.

Names are imported when first used, so that `settings` is read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .settings import StartConfig

if TYPE_CHECKING:
    from .base import BufferSample, Start
    from .data import DataStart
    from .fixed import FixedNoise
    from .gaussian import ClassGaussian
    from .noise import GaussianNoise, NormalLeaves, UniformNoise, redraw
    from .replay import ReplayBuffer
    from .reservoir import ReservoirBuffer

_NAMES = {
    "BufferSample": "base",
    "ClassGaussian": "gaussian",
    "DataStart": "data",
    "FixedNoise": "fixed",
    "GaussianNoise": "noise",
    "NormalLeaves": "noise",
    "ReplayBuffer": "replay",
    "ReservoirBuffer": "reservoir",
    "Start": "base",
    "UniformNoise": "noise",
    "redraw": "noise",
}

__all__ = [
    "BufferSample",
    "ClassGaussian",
    "DataStart",
    "FixedNoise",
    "GaussianNoise",
    "NormalLeaves",
    "ReplayBuffer",
    "ReservoirBuffer",
    "Start",
    "StartConfig",
    "UniformNoise",
    "redraw",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
