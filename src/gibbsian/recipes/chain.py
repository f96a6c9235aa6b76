"""What a person can set about chains, and the settings that stood here before. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative
from ..data.settings import PixelConfig
from ..objectives.settings import LossConfig
from ..starts.settings import StartConfig

__all__ = ["ChainConfig", "LossConfig", "PixelConfig", "StartConfig"]


@dataclass(frozen=True)
class ChainConfig:
    """A Langevin chain x' = x - (step_size / 2) grad E(x) + noise * xi, as papers state it."""

    steps: int = 60
    """Steps of one chain, K."""
    step_size: float = 2.0
    """s: the drift is s/2 times the gradient of E."""
    noise: float = 0.005
    """Standard deviation of the noise of one step; the temperature is noise^2 / step_size."""
    noise_end: float | None = None
    """Noise of the last step, reached linearly; none keeps the noise constant."""
    decay: float = 0.0
    """Exponent g of a falling step size, step_size (1 + k)^-g, with noise to match (SGLD); 0 for none."""
    noise_first: bool = False
    """Add the noise before the gradient is taken (IGEBM, UvA) instead of after."""
    clip: float = 0.0
    """Bound on the gradient inside the chain; 0 for none."""
    clip_by: Literal["value", "norm"] = "value"
    """Clip each coordinate of the gradient, or its Euclidean norm."""
    clamp: bool = False
    """Keep positions inside the data range after every step."""
    clamp_noised: bool = False
    """Also clamp the noised point at which the gradient is taken (UvA); needs clamp and noise_first."""

    def __post_init__(self) -> None:
        require_choices(self, "chain")
        if self.steps < 1:
            raise UsageError(f"chain.steps is {self.steps}: it must be at least 1; papers use 20 to 500")
        if not 0 < self.step_size < float("inf"):
            raise UsageError(
                f"chain.step_size is {self.step_size}: it must be positive; papers use 1e-4 to 20"
            )
        if self.clamp_noised and not (self.clamp and self.noise_first):
            raise UsageError(
                "chain.clamp_noised needs chain.clamp and chain.noise_first: set both, or leave it"
            )
        if not 0 <= self.decay <= 1:
            raise UsageError(
                f"chain.decay is {self.decay}: an exponent in (0, 1], usually above .5, or 0 for none"
            )
        for name in ("noise", "noise_end", "clip"):
            require_not_negative(**{f"chain.{name}": getattr(self, name) or 0.0})

    @property
    def temperature(self) -> float:
        """T of the law p ~ exp(-E/T) that the unclipped chain tends to as the step shrinks."""
        return self.noise**2 / self.step_size

    @property
    def mean_step_size(self) -> float:
        """The mean of s over the chain: s itself, or less where it falls."""
        return self.step_size * sum((1 + k) ** -self.decay for k in range(self.steps)) / self.steps

    @property
    def matched(self) -> bool:
        """Whether the chain samples exp(-E/T) up to step-size bias: no clip, clamp or fading noise."""
        plain = not (self.clip or self.clamp or self.noise_first)
        return plain and self.noise > 0 and self.noise_end in (None, self.noise)

    def over(self, temperature: float) -> ChainConfig:
        """The same chain on E / `temperature` in place of E: step and clip scaled, the noise as it was."""
        return replace(self, step_size=self.step_size * temperature, clip=self.clip / temperature)
