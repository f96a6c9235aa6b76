"""Chains on the latents of a generator. No torch.

target:  p(z) ~ N(z; 0, I) exp(-beta E(G(z)))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..core.config import require_choices
from ..core.errors import UsageError, require_positive

LatentKernel: TypeAlias = Literal[
    "langevin", "kinetic", "mala", "hmc", "independent", "importance", "rejection", "none"
]


@dataclass(frozen=True)
class LatentConfig:
    """One way to draw latents; raises `UsageError` for values out of range."""

    kernel: LatentKernel = "langevin"
    """Chains: langevin (overdamped), kinetic, mala, hmc, independent (Metropolis with base proposals). Draws:
    importance (resampled by exp(-beta E)), rejection (discriminator rejection), none (the base itself)."""
    steps: int = 100
    """Steps of one chain."""
    step_size: float = 0.05
    """s of langevin and mala, z' = z - (s/2) grad U + sqrt(s) xi; h of kinetic and hmc."""
    beta: float = 1.0
    """Inverse temperature of the energy: 1 is the model itself, 100 the sharpened one of GEBM's figures."""
    friction: float = 1.0
    """Of kinetic chains; friction times step_size of .05 keeps a direction for 20 steps, 5 for none."""
    splitting: Literal["aboba", "baoab"] = "aboba"
    """Of kinetic chains."""
    leapfrogs: int = 5
    """Leapfrog steps of one trajectory (hmc)."""
    shrink: float = 1.0
    """Factor on step_size after every `shrink_every` steps (langevin)."""
    shrink_every: int = 200
    """Steps between two factors of `shrink`."""
    candidates: int = 100
    """Base samples for each one kept (importance), and for the constants of rejection."""
    gamma: float = 0.0
    """Shift of rejection's logit: 0 is exact and may hardly accept; below 0 accepts more and tilts less."""

    def __post_init__(self) -> None:
        require_choices(self, "latent")
        require_positive(
            **{
                f"latent.{k}": getattr(self, k)
                for k in ("steps", "step_size", "friction", "leapfrogs", "beta")
            }
        )
        require_positive(
            **{f"latent.{k}": getattr(self, k) for k in ("shrink", "shrink_every", "candidates")}
        )
        if self.shrink != 1 and self.kernel != "langevin":
            raise UsageError(
                f"latent.shrink is {self.shrink}, but only langevin chains shrink their step: leave it at 1"
            )
