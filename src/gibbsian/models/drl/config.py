"""Settings of diffusion recovery likelihood. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig


@dataclass(frozen=True)
class LadderConfig:
    """The noise levels, and the chain on each."""

    levels: int = 6
    """Levels T between data and Gaussian noise."""
    steps: int = 30
    """Langevin steps on each level, in training and after."""
    scale: float = 2e-4
    """b_t^2 = scale (sigma_bar_t / sigma_bar_0) sigma_{t+1}^2: step size, and temperature of E, at level
    t."""
    noise_factor: float = 0.99
    """Factor on the noise of sampling chains after training (the paper's .99); 1 for the model itself."""

    def __post_init__(self) -> None:
        require_positive(**{"ladder.steps": self.steps, "ladder.scale": self.scale})
        require_not_negative(**{"ladder.noise_factor": self.noise_factor})
        if not 2 <= self.levels <= 500:
            raise UsageError(f"ladder.levels is {self.levels}: a ladder has 2 to 500 levels; the paper has 6")


@dataclass(frozen=True)
class DRLConfig:
    """One ladder of conditional energies, E(., t), in one network."""

    net: AnyNet = field(default_factory=ConvConfig)
    """Any family: mlp, conv and igebm take the level as a class, levels by an embedding as the paper's."""
    ladder: LadderConfig = field(default_factory=LadderConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)

    def __post_init__(self) -> None:
        if self.net.classes:
            raise UsageError(
                "drl is unconditional: set net.classes to 0; the network is told the level instead"
            )
        if self.net.head != "scalar":
            raise UsageError("drl needs one energy a level: set net.head to scalar")


CONFIG = DRLConfig
