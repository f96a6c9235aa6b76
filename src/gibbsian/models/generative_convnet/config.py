"""Settings of the generative ConvNet and of the "anatomy" study. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.errors import UsageError
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig
from ...objectives.settings import LossConfig
from ...starts.settings import StartConfig
from ..chain_settings import ChainSettings


@dataclass(frozen=True)
class GenerativeConvNetConfig(ChainSettings):
    """One generative ConvNet."""

    net: AnyNet = field(default_factory=ConvConfig)
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=60, step_size=2.0, noise=0.01))
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=StartConfig)
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(-1.0, 1.0, noise=0.03))
    loss: LossConfig = field(default_factory=LossConfig)
    reference_sigma: float = 0.0
    """Standard deviation of a Gaussian reference measure; 0 for a uniform one."""

    def __post_init__(self) -> None:
        if self.reference_sigma < 0:
            raise UsageError(
                f"reference_sigma is {self.reference_sigma}: it must be positive, or 0 for uniform"
            )
        if self.reference_sigma and not self.chain.noise:
            raise UsageError("a Gaussian reference needs a temperature: set chain.noise above 0")


CONFIG = GenerativeConvNetConfig
