"""What a person can set about chains and where they start. No torch in this package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative


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
