"""Settings of where training chains begin. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError


@dataclass(frozen=True)
class StartConfig:
    """Where training chains begin."""

    kind: Literal["persistent", "noise", "fixed", "data"] = "persistent"
    """A replay buffer (PCD), fresh noise, a fixed bank of noise, or the data itself (CD)."""
    noise: Literal["uniform", "gaussian"] = "uniform"
    """Distribution of fresh noise: uniform on the data range, or N(0, scale^2)."""
    scale: float = 1.0
    """Standard deviation of Gaussian noise starts."""
    capacity: int = 10_000
    """Chains in the replay buffer, or in the fixed bank."""
    reinit: float = 0.05
    """Probability that a drawn chain restarts from noise."""
    uint8: bool = False
    """Store chains in 8 bits, dequantised when drawn."""
    labels: Literal["stored", "batch"] = "stored"
    """Conditional chains keep their label, or take the current batch's (as IGEBM's code does, and as chains
    with a vector for a condition always do)."""

    @property
    def lasting(self) -> bool:
        """Whether chains go on from one update to the next, or begin at data. Chains that begin at noise each
        time are a K-step generator, whose E is no log-density however plain the kernel (Nijkamp et al. 2020).
        """
        return self.kind in ("persistent", "data")

    def __post_init__(self) -> None:
        require_choices(self, "start")
        if not 0 < self.scale < float("inf"):
            raise UsageError(f"start.scale is {self.scale}: a standard deviation must be positive")
        if not 0 <= self.reinit <= 1:
            raise UsageError(f"start.reinit is {self.reinit}: a probability lies in [0, 1]")
        if self.capacity < 1:
            raise UsageError(f"start.capacity is {self.capacity}: the buffer needs at least one chain")
