"""What can be set about chains, said once: the numbers of every kernel, and the sections of configuration
files and flags that describe one. No torch, so that `--help` is quick.

    LangevinSettings, MALASettings, ...    the fields of a kernel; the kernel's class adds `init` and `step`
    ChainConfig                            a chain on data, as the image papers state it
    LatentConfig                           a chain, or another way, to draw latents

`kernels.kernel_of` makes the kernel of any of them. The file is long because it is the one place for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive, unknown
from ..noise.schedule import Polynomial, Schedule, Staircase

SPLITTINGS = ("baoab", "aboba", "obabo")


class StepNumbers(NamedTuple):
    """Step size and temperature of one Langevin step."""

    step_size: float
    temperature: float

    @property
    def scales(self) -> tuple[float, float]:
        """(s, sigma): the step size, and the standard deviation sqrt(s T) of the noise."""
        return self.step_size, (self.step_size * self.temperature) ** 0.5


@dataclass(frozen=True)
class LangevinSettings:
    """The fields of `Langevin`, which says what they mean; raises `UsageError` for values out of range or
    that exclude each other."""

    step_size: float
    temperature: float = 1.0
    noise_first: bool = False
    clip_value: float | None = None
    clip_norm: float | None = None
    clamp: tuple[float, float] | None = None
    clamp_noised: bool = False
    step_size_schedule: Schedule | None = None
    temperature_schedule: Schedule | None = None
    start_step: int = 0

    def __post_init__(self) -> None:
        _require_numbers(self.step_size, self.temperature)
        limits = {k: v for k in ("clip_value", "clip_norm") if (v := getattr(self, k)) is not None}
        if len(limits) > 1:
            raise UsageError(
                f"Langevin has clip_value={self.clip_value} and clip_norm={self.clip_norm}: give one of them"
            )
        require_positive(**limits)
        if self.clamp is not None and not self.clamp[0] < self.clamp[1]:
            raise UsageError(f"Langevin has clamp={self.clamp}: low must be below high")
        if self.clamp_noised and not (self.noise_first and self.clamp):
            raise UsageError(
                "clamp_noised clamps the point after noise: give noise_first=True and clamp=(low, high) too"
            )
        if self.start_step < 0:
            raise UsageError(f"start_step is {self.start_step}: the number of earlier steps is 0 or more")

    @property
    def steady(self) -> bool:
        """Whether every step has the same step size and temperature."""
        return self.step_size_schedule is None and self.temperature_schedule is None

    @property
    def noisy(self) -> bool:
        """Whether a step draws noise."""
        return self.temperature_schedule is not None or self.temperature > 0

    @property
    def samples_density(self) -> bool:
        """Whether x samples exp(-E/T), up to the bias of the plain step."""
        changed = self.noise_first or self.clip_value or self.clip_norm or self.clamp
        return not changed and self.temperature_schedule is None and self.temperature > 0

    def at(self, step: int) -> StepNumbers:
        """The numbers of the step that follows `step` earlier ones.

        Raises `UsageError` where a schedule leaves the allowed range.
        """
        if self.steady:
            return StepNumbers(self.step_size, self.temperature)
        step, s, t = self.start_step + step, self.step_size, self.temperature
        s = s if self.step_size_schedule is None else float(self.step_size_schedule(step))
        t = t if self.temperature_schedule is None else float(self.temperature_schedule(step))
        _require_numbers(s, t)
        return StepNumbers(s, t)


def _require_numbers(step_size: float, temperature: float) -> None:
    require_positive(step_size=step_size)
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature is {temperature}: it must be finite and not negative")


@dataclass(frozen=True)
class MALASettings:
    """The numbers of `MALA`, which says what they mean; raises `UsageError` for a value out of range."""

    step_size: float
    temperature: float = 1.0

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size, temperature=self.temperature)


def _require_leapfrogs(leapfrogs: int) -> None:
    if leapfrogs < 1 or leapfrogs != int(leapfrogs):
        raise UsageError(f"leapfrogs is {leapfrogs}: a trajectory needs a whole number of steps, at least 1")


@dataclass(frozen=True)
class HMCSettings:
    """The numbers of `HMC`, which says what they mean; raises `UsageError` for a value out of range."""

    step_size: float
    leapfrogs: int = 10
    temperature: float = 1.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size, temperature=self.temperature)
        _require_leapfrogs(self.leapfrogs)
        if not 0 <= self.jitter < 1:
            raise UsageError(f"jitter is {self.jitter}: it must be at least 0 and below 1")


@dataclass(frozen=True)
class NUTSSettings:
    """The numbers of `NUTS`, which says what they mean; raises `UsageError` for a value out of range."""

    step_size: float
    depth: int = 10
    temperature: float = 1.0

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size, temperature=self.temperature)
        if self.depth not in range(1, 21):
            raise UsageError(f"depth is {self.depth}: a trajectory is doubled 1 to 20 times, at most")


@dataclass(frozen=True)
class UnderdampedSettings:
    """The fields of `Underdamped`, which says what they mean; raises `UsageError` for values out of range or
    that exclude each other."""

    step_size: float
    friction: float
    temperature: float = 1.0
    splitting: Literal["baoab", "aboba", "obabo"] = "baoab"
    metropolis: bool = False
    leapfrogs: int = 1

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size, friction=self.friction, temperature=self.temperature)
        _require_leapfrogs(self.leapfrogs)
        if self.splitting not in SPLITTINGS:
            raise unknown("splitting", self.splitting, SPLITTINGS)
        if self.splitting != "obabo" and (self.metropolis or self.leapfrogs > 1):
            raise UsageError(
                f"splitting '{self.splitting}' takes neither metropolis=True nor leapfrogs above 1: "
                "its noise lies in the middle of the step; use splitting='obabo'"
            )


@dataclass(frozen=True)
class IndependentSettings:
    """`IndependentMH` has nothing to set: proposals are the prior."""


KernelSettings: TypeAlias = (
    LangevinSettings | MALASettings | HMCSettings | NUTSSettings | UnderdampedSettings | IndependentSettings
)


@dataclass(frozen=True)
class FadingNoise:
    """Temperature schedule whose noise falls linearly from `first` to `last` over `steps`."""

    first: float
    last: float
    steps: int
    step_size: float

    def __call__(self, step: int) -> float:
        share = min(step / max(self.steps - 1, 1), 1.0)
        return (self.first + (self.last - self.first) * share) ** 2 / self.step_size


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
    """Noise of the last step, reached linearly (with `decay`, faster); none keeps the noise constant."""
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
        """T of the density p ~ exp(-E/T) that the unclipped chain tends to as the step shrinks."""
        return self.noise**2 / self.step_size

    @property
    def mean_step_size(self) -> float:
        """The mean of s over the chain: s itself, or less where it falls."""
        return self.step_size * sum((1 + k) ** -self.decay for k in range(self.steps)) / self.steps

    @property
    def samples_density(self) -> bool:
        """Whether x samples exp(-E/T) up to step-size bias: no clip, clamp, first or fading noise."""
        return self.kernel_settings(0.0, 1.0).samples_density

    def over(self, temperature: float) -> ChainConfig:
        """The same chain on E / `temperature` in place of E: step and clip scaled, the noise as it was."""
        return replace(self, step_size=self.step_size * temperature, clip=self.clip / temperature)

    def kernel_settings(self, low: float, high: float) -> LangevinSettings:
        """The settings of its kernel, for data in the range [`low`, `high`]."""
        fading = self.noise_end not in (None, self.noise)
        return LangevinSettings(
            self.step_size,
            self.temperature,
            noise_first=self.noise_first,
            clip_value=self.clip if self.clip and self.clip_by == "value" else None,
            clip_norm=self.clip if self.clip and self.clip_by == "norm" else None,
            clamp=(low, high) if self.clamp else None,
            clamp_noised=self.clamp_noised,
            step_size_schedule=Polynomial(self.step_size, 1.0, self.decay) if self.decay else None,
            temperature_schedule=(
                FadingNoise(self.noise, self.noise_end or 0.0, self.steps, self.step_size) if fading else None
            ),
        )


LatentKernel: TypeAlias = Literal[
    "langevin", "kinetic", "mala", "hmc", "independent", "importance", "rejection", "none"
]


@dataclass(frozen=True)
class LatentConfig:
    """One way to draw latents of p(z) ~ N(z; 0, I) exp(-beta E(G(z))); raises `UsageError` for values out of
    range."""

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
        positive = "steps step_size friction leapfrogs beta shrink shrink_every candidates".split()
        require_positive(**{f"latent.{k}": getattr(self, k) for k in positive})
        if self.shrink != 1 and self.kernel != "langevin":
            raise UsageError(
                f"latent.shrink is {self.shrink}, but only langevin chains shrink their step: leave it at 1"
            )

    def kernel_settings(self) -> KernelSettings:
        """The settings of its kernel at temperature 1; raises `UsageError` for draws without a chain."""
        s = self.step_size
        if self.kernel == "kinetic":
            return UnderdampedSettings(s, self.friction, splitting=self.splitting)
        if self.kernel == "mala":
            return MALASettings(s)
        if self.kernel == "hmc":
            return HMCSettings(s, self.leapfrogs)
        if self.kernel == "independent":
            return IndependentSettings()
        if self.kernel == "langevin":
            shrinking = None if self.shrink == 1 else Staircase(s, self.shrink, self.shrink_every)
            return LangevinSettings(s, step_size_schedule=shrinking)
        raise UsageError(
            f"latent.kernel '{self.kernel}' draws without a chain: choose langevin, kinetic, mala or hmc"
        )
