"""Energy networks: modules from `(B, *event)` to E of shape `(B,)`."""

from .build import build
from .conv import ConvNet
from .describe import describe
from .igebm import IGEBMNet
from .mlp import MLP
from .multiscale import build_scales
from .spectral import SpectralConv2d, SpectralLinear, cached_weights
from .vector import build_vector

__all__ = [
    "IGEBMNet",
    "MLP",
    "ConvNet",
    "SpectralConv2d",
    "SpectralLinear",
    "build",
    "build_scales",
    "build_vector",
    "cached_weights",
    "describe",
]
