"""Energy networks: modules from `(B, *event)` to E of shape `(B,)`. Settings are read without torch.

Other names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .families import AnyNet, CustomNetConfig, Family, register_net, trusted
from .settings import (
    Conv1dConfig,
    ConvConfig,
    GeneratorConfig,
    LevelsConfig,
    MLPConfig,
    ResidualConfig,
    VAEConfig,
    WideConfig,
)

if TYPE_CHECKING:
    from .conv import ConvNet
    from .igebm import IGEBMNet
    from .mlp import MLP
    from .multiscale import build_scales
    from .spectral import SpectralConv2d, SpectralLinear, cached_weights
    from .vector import build_vector

_NAMES = {
    "IGEBMNet": "igebm",
    "MLP": "mlp",
    "ConvNet": "conv",
    "SpectralConv2d": "spectral",
    "SpectralLinear": "spectral",
    "build_scales": "multiscale",
    "build_vector": "vector",
    "cached_weights": "spectral",
}

__all__ = [
    "AnyNet",
    "Conv1dConfig",
    "ConvConfig",
    "ConvNet",
    "CustomNetConfig",
    "Family",
    "GeneratorConfig",
    "IGEBMNet",
    "LevelsConfig",
    "MLP",
    "MLPConfig",
    "ResidualConfig",
    "SpectralConv2d",
    "SpectralLinear",
    "VAEConfig",
    "WideConfig",
    "build_scales",
    "build_vector",
    "cached_weights",
    "register_net",
    "trusted",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
