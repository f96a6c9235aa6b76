"""Settings of score matching: the loss, the ladder of noises, the chain that samples. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_positive
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig
from ...starts.settings import StartConfig


@dataclass(frozen=True)
class MatchingConfig:
    """Which score-matching loss, and its constants; raises `UsageError` for values out of range."""

    method: Literal["denoising", "sliced", "finite_difference", "exact"] = "denoising"
    """denoising fits data smoothed by noise; the others fit the data themselves (exact: few coordinates)."""
    sigma_max: float = 1.0
    """Largest noise of the ladder (denoising)."""
    sigma_min: float = 0.1
    """Smallest noise, at which the energy has temperature 1; the only one where levels is 1 (denoising)."""
    levels: int = 1
    """Noises from sigma_max to sigma_min, in equal ratios (denoising)."""
    told: bool = False
    """Tell the network the noise level, as one more block of its condition, so that each level has an energy
    of its own (denoising, levels above 1)."""
    spread: float | None = None
    """Deviation of the data in units of a pixel: the loss of noise sigma then counts 1 + (sigma / spread)^2,
    so that high noise is learnt as well as low (T. Karras et al. 2022, arXiv 2206.00364). None counts all
    levels alike (denoising)."""
    probe: Literal["rademacher", "gaussian", "sphere"] = "rademacher"
    """Distribution of the random directions (sliced, finite_difference)."""
    reduced: bool = True
    """Keep |s|^2 whole instead of along the direction, for less variance (sliced)."""
    delta: float = 0.1
    """Move of each coordinate for a difference (finite_difference)."""

    def __post_init__(self) -> None:
        require_choices(self, "matching")
        require_positive(
            **{f"matching.{k}": getattr(self, k) for k in ("sigma_max", "sigma_min", "levels", "delta")}
        )
        if self.levels > 1 and not self.sigma_min < self.sigma_max:
            raise UsageError(
                f"matching.sigma_min {self.sigma_min} must lie below sigma_max {self.sigma_max} for "
                f"{self.levels} levels: lower it, or set matching.levels to 1"
            )
        if self.told and self.levels == 1:
            raise UsageError(
                "matching.told tells the network which of several levels: set matching.levels too"
            )
        if self.spread is not None:
            require_positive(**{"matching.spread": self.spread})
        if self.levels > 1 and self.method != "denoising":
            raise UsageError(
                f"matching.levels is {self.levels}, but {self.method} has no noise: "
                "set it to 1, or use denoising"
            )

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noises from large to small; the last is exactly sigma_min."""
        ratio, last = self.sigma_max / self.sigma_min, self.levels - 1
        return tuple(self.sigma_min * ratio ** (1 - i / last) if i < last else self.sigma_min
                     for i in range(self.levels))  # fmt: skip


@dataclass(frozen=True)
class ScoreMatchingConfig:
    """One energy trained by score matching, and the Langevin chain from noise that samples it."""

    takes_condition: ClassVar[bool] = True
    """It learns p(x | c) too."""
    net: AnyNet = field(default_factory=lambda: ConvConfig(activation="swish"))
    """The energy; a smooth activation."""
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=200, step_size=0.01, noise=0.1))
    """The sampling chain. With a ladder: steps in all, and the noise of the last level; a level's is larger
    by sigma_i / sigma_min. step_size stays: some sigma_min^2 are right."""
    start: StartConfig = field(default_factory=lambda: StartConfig(kind="noise"))
    """Noise from which the chain begins."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    jump: bool = False
    """End with one step of Tweedie's formula, which takes the last noise off the samples (denoising)."""

    @property
    def claims_density(self) -> bool:
        """Whether there is one noise: the score of a ladder's network is that of no one density."""
        return self.matching.levels == 1

    def __post_init__(self) -> None:
        if self.net.classes:
            raise UsageError("score matching takes no classes: set net.classes to 0, or use igebm")
        if self.start.kind != "noise":
            raise UsageError(f"start.kind is '{self.start.kind}': chains here start from noise, 'noise'")
        self._check_smooth()
        self._check_ladder()

    def _check_smooth(self) -> None:
        if self.matching.method in ("exact", "sliced") and self.net.kinked:
            raise UsageError(
                f"net.activation is '{self.net.activation}', whose second derivative is 0, so that "
                f"{self.matching.method} score matching would learn a flat energy: use swish or softplus"
            )

    def _check_ladder(self) -> None:
        if self.matching.levels > 1 and (self.chain.noise_end is not None or self.chain.decay):
            raise UsageError(
                "chain.noise_end and chain.decay anneal one chain, which the ladder does already: leave them "
                "out, or set matching.levels to 1"
            )
        if self.jump and self.matching.method != "denoising":
            raise UsageError(f"jump needs a noise to take off, but {self.matching.method} has none: unset it")


CONFIG = ScoreMatchingConfig
