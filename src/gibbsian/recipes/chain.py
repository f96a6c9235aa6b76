"""The sections that chains, their starts, losses and data share, from where each of them lives."""

from __future__ import annotations

from ..data.settings import PixelConfig
from ..mcmc.settings import ChainConfig
from ..objectives.settings import LossConfig
from ..starts.settings import StartConfig

__all__ = ["ChainConfig", "LossConfig", "PixelConfig", "StartConfig"]
