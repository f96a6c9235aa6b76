"""Settings of score matching: the loss, the ladder of noises, the chain that samples. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_positive
from . import ours
from .chain import ChainConfig, PixelConfig, StartConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import TrainConfig

KINKED = ("relu", "leaky_relu")


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
    probe: Literal["rademacher", "gaussian", "sphere"] = "rademacher"
    """Law of the random directions (sliced, finite_difference)."""
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

    net: NetConfig = field(default_factory=lambda: NetConfig(activation="swish"))
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

    def __post_init__(self) -> None:
        if self.net.classes:
            raise UsageError("score matching is unconditional: set net.classes to 0, or use igebm")
        if self.start.kind != "noise":
            raise UsageError(f"start.kind is '{self.start.kind}': chains here start from noise, 'noise'")
        self._check_smooth()
        self._check_ladder()

    def _check_smooth(self) -> None:
        own = ":" in self.net.name
        if self.matching.method in ("exact", "sliced") and self.net.activation in KINKED and not own:
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


PAPER = Paper(
    key="vincent2011connection",
    authors="Pascal Vincent",
    year=2011,
    title="A Connection Between Score Matching and Denoising Autoencoders",
    venue="Neural Computation 23(7)",
    url="https://doi.org/10.1162/NECO_a_00142",
)

PUBLISHED: list[Published] = []

_PLANE = ScoreMatchingConfig(
    net=NetConfig(name="mlp", hidden=(128, 128), activation="swish"),
    matching=MatchingConfig(sigma_min=0.1),
    chain=ChainConfig(steps=300, step_size=0.01, noise=0.1),
    pixels=PixelConfig(-2.5, 2.5),
)
_PLANE_TRAIN = TrainConfig(
    steps=3000, batch_size=256, lr=1e-2, decay=0.5, average=0.999, save_every=1000, sample_every=500
)
_DIGITS = ScoreMatchingConfig(
    net=NetConfig(name="mlp", hidden=(512, 256), activation="swish"),
    matching=MatchingConfig(sigma_max=1.0, sigma_min=0.1, levels=10),
    chain=ChainConfig(steps=300, step_size=0.01, noise=0.05),
    jump=True,
)
_GREY = replace(_DIGITS, net=replace(_DIGITS.net, hidden=(1024, 512)))
_CONV = replace(
    _DIGITS,
    net=NetConfig(channels=(64, 128, 256), kernels=(5, 3), strides=(2,), pool="flatten", activation="swish"),
)
_TRAIN = replace(ours.TRAIN28, steps=4000, save_every=1000, sample_every=1000)

_COOL = "Chains at a quarter of each level's temperature (noise .05 where the root of the step is .1)."

PRESETS: dict[str, Recipe] = {
    "toy": Recipe(
        _PLANE,
        _PLANE_TRAIN,
        data="toy:ring",
        note="Ours: denoising at one noise, .1, so that exp(-E) is the density smoothed by it.",
    ),
    "toy-sliced": Recipe(
        replace(_PLANE, matching=MatchingConfig("sliced")),
        _PLANE_TRAIN,
        data="toy:ring",
        note="Ours: sliced score matching, which smooths nothing.",
    ),
    "digits": Recipe(
        _DIGITS, _TRAIN, data="digits", note=f"Ours: ten noises from 1 to .1, dense network. {_COOL}"
    ),
    "mnist": Recipe(
        _GREY, replace(_TRAIN, steps=8000), data="mnist", note=f"Ours: as digits, wider. {_COOL}"
    ),
    "fashion_mnist": Recipe(
        _GREY, replace(_TRAIN, steps=8000), data="fashion_mnist", note=f"Ours: as digits, wider. {_COOL}"
    ),
    "images": Recipe(
        _CONV,
        replace(_TRAIN, steps=10_000),
        data="folder",
        note=f"{ours.PLACE} {_COOL}",
    ),
    "cifar10": Recipe(
        _CONV,
        replace(_TRAIN, steps=50_000, batch_size=128, lr=3e-4),
        data="cifar10",
        note="Ours: convolutions of a size that fits a CPU. Li, Chen and Sommer 2019 took a residual network "
        f"of 18 blocks and noises from .05 to 1.2 for 300,000 updates. {_COOL}",
    ),
}
