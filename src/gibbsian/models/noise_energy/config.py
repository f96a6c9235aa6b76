"""Settings of energies over noise levels: the levels, the losses, the base, sampling. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...nets.families import AnyNet
from ...nets.settings import AutoencoderConfig, MapsConfig, ResidualMLPConfig, UNetConfig


@dataclass(frozen=True)
class NoiseConfig:
    """Noise levels, and how often each is learnt."""

    sigma_min: float = 0.05
    """The least noise, at which the energy is that of the model."""
    sigma_max: float = 10.0
    """The largest, at which the data are hardly more than Gaussian."""
    centre: float = 0.45
    """Median of the levels that are learnt, log-normal: where the shape of data is decided."""
    width: float = 1.2
    """Deviation of their logarithm."""
    uniform: float = 0.2
    """Share of levels drawn evenly in their logarithm instead, so that none is left out."""

    def __post_init__(self) -> None:
        names = ("sigma_min", "sigma_max", "centre", "width")
        require_positive(**{f"noise.{k}": getattr(self, k) for k in names})
        if not self.sigma_min < self.sigma_max:
            raise UsageError(
                f"noise.sigma_min {self.sigma_min} must lie below noise.sigma_max {self.sigma_max}"
            )
        if not 0 <= self.uniform <= 1:
            raise UsageError(f"noise.uniform is {self.uniform}: it is a share in [0, 1]")


@dataclass(frozen=True)
class LossesConfig:
    """Weights of the three losses (`objectives.noise_levels`); 0 leaves one out."""

    denoising: float = 1.0
    """Of the slope in x."""
    time_score: float = 0.1
    """Of the slope in sigma."""
    classification: float = 0.02
    """Of which of two levels a row is from."""
    pairs: float = 0.25
    """Share of a batch that the classification takes: each of these rows costs four more energies."""
    apart: float = 1.5
    """How far apart the two levels are, in units of what data of their size can tell."""
    balance: float = 0.0
    """Of what noise put on and taken off leaves, at states of the model's own chains, from `settle_at`."""

    def __post_init__(self) -> None:
        names = ("denoising", "time_score", "classification", "balance")
        weights = {f"losses.{k}": getattr(self, k) for k in names}
        require_not_negative(**weights)
        require_positive(**{"losses.apart": self.apart})
        if not any(weights.values()):
            raise UsageError("all losses have weight 0: give losses.denoising or another of them some")
        if not 0 < self.pairs <= 1:
            raise UsageError(f"losses.pairs is {self.pairs}: it is a share in (0, 1]")


@dataclass(frozen=True)
class BalanceConfig:
    """The model's own chains, down all levels over and over, at which losses.balance is taken."""

    chains: int = 64
    """How many."""
    moves: int = 2
    """Steps of MALA at a level, one level an update."""
    gap: float = 0.15
    """Between levels, of the logarithm of sigma."""
    near: float = 0.01
    """Between the two levels of the loss, likewise; on average."""
    stay: int = 60
    """Updates at the least noise before a chain begins anew."""

    def __post_init__(self) -> None:
        require_positive(**{f"balance.{k}": getattr(self, k) for k in ("chains", "moves", "gap", "near")})
        require_not_negative(**{"balance.stay": self.stay})


@dataclass(frozen=True)
class LevelSamplingConfig:
    """From the largest noise to the least."""

    steps: int = 30
    """Steps of Heun's method, each between two levels; two gradients each."""
    corrections: int = 0
    """Steps of MALA at each level after."""
    step_size: float = 0.5
    """Of these, in units of sigma squared."""
    resample: bool = False
    """Take noise off at random, and draw chains anew at each level by their weights: for sums of energies."""
    guidance: float = 0.0
    """w in (1 + w) U(x | c) - w U(x), of a model that knows conditions and p(x)."""

    def __post_init__(self) -> None:
        require_positive(**{"sampling.steps": self.steps, "sampling.step_size": self.step_size})
        require_not_negative(**{"sampling.corrections": self.corrections, "sampling.guidance": self.guidance})


@dataclass(frozen=True)
class NoiseEnergyConfig:
    """Energies of data at every level of noise, each normalised."""

    step_counted: ClassVar[tuple[str, ...]] = ("settle_at",)
    takes_condition: ClassVar[bool] = True
    """It learns p(x | c) too."""
    claims_density: ClassVar[bool] = True
    """U is -log p(x); how far so, `gibbsian study normalisation` measures."""
    net: AnyNet = field(default_factory=ResidualMLPConfig)
    """Of (x, log sigma and c); a smooth activation."""
    axes: int | None = None
    """Principal axes of the base with a variance of their own; None takes all, up to 1,024."""
    leading: int | None = None
    """The network sees and bends so many leading principal coordinates at most; None gives it all of x."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    losses: LossesConfig = field(default_factory=LossesConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    sampling: LevelSamplingConfig = field(default_factory=LevelSamplingConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)
    label_dropout: float = 0.1
    """Share of labels that training leaves out, with net.classes, so that U(x) is known beside U(x | y)."""
    settle_at: int = 0
    """Update from which dropout is off, so that losses see the network that U is read of, and from which
    losses.balance counts; 0 for dropout to the end, and balance from the start."""
    jump: bool = True
    """End with the mean of clean data given the least noise (Tweedie's formula)."""

    def __post_init__(self) -> None:
        require_not_negative(settle_at=self.settle_at)
        if not 0 <= self.label_dropout < 1:
            raise UsageError(f"label_dropout is {self.label_dropout}: it is a share in [0, 1)")
        if self.net.head != "scalar":
            raise UsageError("noise_energy needs one energy a level: set net.head to scalar")
        if self.net.kinked:
            raise UsageError(
                f"net.activation is '{self.net.activation}', whose second derivative is 0, so that the "
                "energy's gradient could not be learnt: use swish or softplus"
            )
        for name, least in (("axes", self.axes), ("leading", self.leading)):
            if least is not None and least < 1:
                raise UsageError(f"{name} is {least}: a number of principal axes is 1 or more")
        if self.leading and isinstance(self.net, (MapsConfig, AutoencoderConfig, UNetConfig)):
            raise UsageError(
                f"net.name {self.net.name} sees images, and leading {self.leading} would give it numbers: "
                "set leading to null, or net.name to residual_mlp"
            )
        if self.leading and self.axes and self.leading > self.axes:
            raise UsageError(f"leading is {self.leading}, but the base has {self.axes} axes: raise axes")
        both = self.label_dropout if self.net.classes else self.net.condition_dropout
        if self.sampling.guidance and not both:
            raise UsageError(
                "sampling.guidance needs p(x) beside p(x | c): set net.condition_dropout, or label_dropout"
            )


CONFIG = NoiseEnergyConfig
