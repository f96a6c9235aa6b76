"""Where chains begin: noise, data, a fitted Gaussian, or stored chains.

Names are imported when first used, so that `settings` is read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import StartConfig

if TYPE_CHECKING:
    from .base import BufferSample, Start
    from .data import DataStart
    from .fixed import FixedNoise
    from .gaussian import ClassGaussian
    from .noise import GaussianNoise, NormalLeaves, UniformNoise, redraw
    from .replay import ReplayBuffer
    from .reservoir import ReservoirBuffer
else:
    from ..core.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
