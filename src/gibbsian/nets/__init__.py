"""Energy networks: modules from `(B, *event)` to E of shape `(B,)`. Settings are read without torch.

Other names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
else:
    from ..core.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
