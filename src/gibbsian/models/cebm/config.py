"""Settings of the conjugate EBM. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...core.config import require_choices
from ...core.errors import UsageError
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig
from ...objectives.settings import LossConfig
from ...starts.settings import StartConfig
from ..chain_settings import ChainSettings


@dataclass(frozen=True)
class CEBMConfig(ChainSettings):
    """One conjugate EBM; raises `UsageError` for values out of range."""

    net: AnyNet = field(default_factory=ConvConfig)
    """The network of the sufficient statistics, two outputs a latent coordinate."""
    latent: int = 16
    """Coordinates of z."""
    prior: Literal["gaussian", "mixture"] = "gaussian"
    """N(0, I), or Gaussians of unit variance in equal parts, their means drawn from N(0, I)."""
    components: int = 20
    """Gaussians of the mixture prior."""
    learn_prior: bool = False
    """Learn the prior's means and variances too."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=60, step_size=2.0, noise=0.0075))
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=lambda: StartConfig(capacity=5000))
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(-1.0, 1.0, noise=0.03))
    loss: LossConfig = field(default_factory=lambda: LossConfig(energy_l2=5e-3))

    def __post_init__(self) -> None:
        require_choices(self, "cebm")
        if self.latent < 1 or self.components < 1:
            raise UsageError(
                f"latent is {self.latent} and components {self.components}: both must be at least 1"
            )
        if self.net.classes:
            raise UsageError("a conjugate EBM is unconditional: set net.classes to 0, or use igebm")
        if self.loss.link != "exp":
            raise UsageError(
                f"loss.link is {self.loss.link}: the posterior is exact for exp(-E) only, leave it at exp"
            )


CONFIG = CEBMConfig
