"""Settings of short-run MCMC. Torch-free."""

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


@dataclass(frozen=True)
class ShortRunConfig:
    """One short-run model: the chain below is the sampler, in training and after."""

    takes_condition: ClassVar[bool] = True
    """It learns p(x | c) too."""
    net: AnyNet = field(default_factory=ConvConfig)
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=100, step_size=2.0, noise=0.01))
    start: StartConfig = field(default_factory=lambda: StartConfig(kind="noise"))
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(-1.0, 1.0, noise=0.03))
    loss: LossConfig = field(default_factory=LossConfig)

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples: that of training."""
        return self.chain

    def __post_init__(self) -> None:
        if self.start.kind != "noise":
            raise UsageError(
                f"start.kind is '{self.start.kind}': short-run chains start from fresh noise, 'noise'"
            )


CONFIG = ShortRunConfig
