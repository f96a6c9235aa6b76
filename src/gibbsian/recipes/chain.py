"""What a person can set about chains and where they start. No torch in this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative
from ..mcmc.settings import ChainConfig

__all__ = ["ChainConfig", "LossConfig", "PixelConfig", "StartConfig"]


@dataclass(frozen=True)
class StartConfig:
    """Where training chains begin."""

    kind: Literal["persistent", "noise", "fixed", "data"] = "persistent"
    """A replay buffer (PCD), fresh noise, a fixed bank of noise, or the data itself (CD)."""
    noise: Literal["uniform", "gaussian"] = "uniform"
    """Law of fresh noise: uniform on the data range, or N(0, scale^2)."""
    scale: float = 1.0
    """Standard deviation of Gaussian noise starts."""
    capacity: int = 10_000
    """Chains in the replay buffer, or in the fixed bank."""
    reinit: float = 0.05
    """Probability that a drawn chain restarts from noise."""
    uint8: bool = False
    """Store chains in 8 bits, dequantised when drawn."""
    labels: Literal["stored", "batch"] = "stored"
    """Conditional chains keep their label, or take the current batch's (as IGEBM's code does)."""

    def __post_init__(self) -> None:
        require_choices(self, "start")
        if not 0 < self.scale < float("inf"):
            raise UsageError(f"start.scale is {self.scale}: a standard deviation must be positive")
        if not 0 <= self.reinit <= 1:
            raise UsageError(f"start.reinit is {self.reinit}: a probability lies in [0, 1]")
        if self.capacity < 1:
            raise UsageError(f"start.capacity is {self.capacity}: the buffer needs at least one chain")


@dataclass(frozen=True)
class LossConfig:
    """The contrastive loss mean E(x_pos) - mean E(x_neg) and its companions."""

    objective: Literal["cd", "logsumexp", "softplus"] = "cd"
    """Plain contrast, negatives weighted by softmax(-E), or a softplus of the contrast."""
    energy_l2: float = 0.0
    """Weight of mean E(x_pos)^2 + mean E(x_neg)^2."""
    link: Literal["exp", "square", "abs", "softplus"] = "exp"
    """Density that the network output g = -E stands for: exp(g), g^2, |g| or softplus(g)."""

    def __post_init__(self) -> None:
        require_choices(self, "loss")
        require_not_negative(**{"loss.energy_l2": self.energy_l2})

    @property
    def additive(self) -> bool:
        """Whether the loss is a mean over samples, so that gradients of micro-batches may be averaged."""
        return self.objective != "logsumexp"


@dataclass(frozen=True)
class PixelConfig:
    """How data enters the model."""

    low: float = -1.0
    """Value of a black pixel (ignored for data that are not images)."""
    high: float = 1.0
    """Value of a white pixel."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise added to data, smoothing its support."""
    dequantize: bool = False
    """Add uniform noise of one grey level of 256, shrinking the range to fit."""

    def __post_init__(self) -> None:
        if not -float("inf") < self.low < self.high < float("inf"):
            raise UsageError(f"pixels.low {self.low} must lie below pixels.high {self.high}")
        require_not_negative(**{"pixels.noise": self.noise})
