"""Settings of IGEBM. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ...core.errors import UsageError
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig
from ...objectives.settings import LossConfig
from ...starts.settings import StartConfig
from ..chain_settings import ChainSettings


@dataclass(frozen=True)
class EnsembleConfig:
    """Sampling with past weights, one step each in turn."""

    members: int = 0
    """Past copies of the weights that are kept; 0 for none."""
    every: int = 300
    """Updates between two copies."""

    def __post_init__(self) -> None:
        if self.members < 0 or self.every < 1:
            raise UsageError(f"ensemble of {self.members} every {self.every}: members >= 0 and every >= 1")


PAPER_CHAIN = ChainConfig(steps=60, step_size=20.0, noise=0.005, noise_first=True, clip=0.01, clamp=True)


@dataclass(frozen=True)
class IGEBMConfig(ChainSettings):
    """One IGEBM."""

    takes_condition: ClassVar[bool] = True
    """It learns p(x | c) too."""
    net: AnyNet = field(default_factory=ConvConfig)
    chain: ChainConfig = PAPER_CHAIN
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=StartConfig)
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(0.0, 1.0, dequantize=True))
    loss: LossConfig = field(default_factory=lambda: LossConfig(energy_l2=1.0))
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)


CONFIG = IGEBMConfig
