"""Settings of adversarial contrastive divergence (VERA), and of the plain adversarial game. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive
from . import ours
from .chain import ChainConfig, PixelConfig
from .generator import GeneratorConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class ACDConfig:
    """One game: an energy, and a generator with an entropy term that samples it."""

    net: NetConfig = field(default_factory=NetConfig)
    """The energy."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The mean g of the generator."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=10, step_size=2.0, noise=0.01))
    """The chain that refines samples, after training; see `refine`. Where entropy_weight is above 0 its noise
    is that of this temperature, sqrt(entropy_weight step_size), whatever chain.noise says."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    entropy_weight: float = 1e-4
    """w of E_q[E] - w H(q), and the temperature of the energy; 0 is the plain adversarial game."""
    particles: int = 20
    """Latents in one estimate of the entropy's gradient."""
    width: float = 0.1
    """Posterior width of a latent given x, at first; learnt."""
    spread: float = 1.4
    """Spread of the particles in units of `width`: 1 in VERA; the root of 2 has less bias."""
    width_rate: float = 30.0
    """Learning rate of the logarithm of `width` over that of the energy."""
    sigma: float = 0.1
    """Noise of the generator at first; learnt."""
    sigma_low: float = 0.01
    """Least noise; equal to `sigma_high` for a noise that is not learnt."""
    sigma_high: float = 0.3
    """Most noise."""
    penalty: float = 0.1
    """Weight of the penalty on the energy's slope; 0 for none."""
    penalty_on: Literal["data", "between"] = "data"
    """data: half the mean |grad E|^2 at the data (VERA, .1); between: mean |grad E|^2 on segments from data
    to the generator's points (as in GEBM; 10 for images)."""
    energy_steps: int = 1
    """Updates of the energy for each one of the generator."""
    base_rate: float = 1.0
    """Learning rate of the generator over that of the energy."""
    refine: bool = False
    """Refine samples by `chain`; else the generator alone draws them."""
    output: Literal["sample", "mean"] = "sample"
    """The generator's draws: g(z) + sigma eps, or g(z)."""

    def __post_init__(self) -> None:
        require_choices(self, "acd")
        require_positive(
            **{
                k: getattr(self, k)
                for k in ("width", "spread", "width_rate", "sigma_low", "energy_steps", "base_rate")
            }
        )
        require_not_negative(entropy_weight=self.entropy_weight, penalty=self.penalty)
        if not self.sigma_low <= self.sigma <= self.sigma_high < float("inf"):
            raise UsageError(
                f"sigma is {self.sigma}: it must lie between sigma_low {self.sigma_low} and sigma_high "
                f"{self.sigma_high}"
            )
        if self.particles < 2:
            raise UsageError(f"particles is {self.particles}: it must be at least 2; VERA takes 20")
        if self.net.classes:
            raise UsageError("adversarial contrastive divergence is unconditional: set net.classes to 0")
        if self.entropy_weight and self.generator.norm == "batch":
            raise UsageError(
                "generator.norm is batch, which ties the points of a batch, so that q(z | x) of the entropy "
                "term is undefined: set generator.norm to none, or entropy_weight to 0"
            )


PAPER = Paper(
    key="grathwohl2021nomcmc",
    authors="Will Grathwohl and Jacob Kelly and Milad Hashemi and Mohammad Norouzi and Kevin Swersky and "
    "David Duvenaud",
    year=2021,
    title="No MCMC for Me: Amortized Sampling for Fast and Stable Training of Energy-Based Models",
    venue="International Conference on Learning Representations",
    url="https://arxiv.org/abs/2010.04230",
)

PUBLISHED: list[Published] = [
    Published("CIFAR-10, with a classifier (JEM's form)", "FID", "30.5"),
    Published("CIFAR-10, with a classifier (JEM's form)", "accuracy", "93.2 %"),
]

_TOY = ACDConfig(
    net=ours.PLANE,
    generator=GeneratorConfig(latent=2, hidden=(64, 64), activation="swish"),
    chain=ChainConfig(50, 0.02, 0.02**0.5),
    pixels=PixelConfig(-2.5, 2.5),
    entropy_weight=1.0,
    sigma_high=0.15,
    penalty=0.0,
    base_rate=4.0,
    refine=True,
)
_TOY_TRAIN = TrainConfig(
    steps=6000,
    batch_size=256,
    lr=6e-4,
    beta1=0.5,
    decay=0.5,
    average=0.999,
    save_every=1000,
    sample_every=500,
)
_IMAGES = ACDConfig(
    net=NetConfig(name="mlp", hidden=(512, 256), activation="leaky_relu"),
    generator=GeneratorConfig(latent=32, hidden=(256, 512), output="tanh"),
    chain=replace(ours.CHAIN, steps=10),
    penalty=10.0,
    penalty_on="between",
    output="mean",
)
_DIGITS = replace(
    _IMAGES,
    net=replace(_IMAGES.net, hidden=(256, 128)),
    generator=replace(_IMAGES.generator, latent=16, hidden=(64, 128)),
)
_COLOUR = replace(
    _IMAGES,
    net=NetConfig(channels=(32, 64, 128), kernels=(4,), strides=(2,), pool="flatten"),
    generator=GeneratorConfig("conv", latent=64, hidden=(), channels=(128, 64, 32), output="tanh"),
)
_PAPER = ACDConfig(
    net=NetConfig(name="igebm", channels=(128, 128, 128, 128), strides=(1, 2, 2, 1), activation="relu"),
    generator=GeneratorConfig("conv", latent=128, hidden=(), channels=(256, 256, 256), output="tanh"),
    base_rate=2.0,
    spread=1.0,
    width_rate=1.0,
    sigma=0.01,
)

PRESETS: dict[str, Recipe] = {
    "toy": Recipe(
        _TOY,
        _TOY_TRAIN,
        data="toy:ring",
        note="Ours: no penalty and temperature 1, so that E is to be -log p; the generator is the faster.",
    ),
    "digits": Recipe(
        _DIGITS, replace(ours.TRAIN_PAIR, steps=4000), data="digits", note="Ours: dense networks."
    ),
    "mnist": Recipe(_IMAGES, ours.TRAIN_PAIR, data="mnist", note="Ours: dense networks; not tuned."),
    "fashion_mnist": Recipe(
        _IMAGES, ours.TRAIN_PAIR, data="fashion_mnist", note="Ours: dense networks; not tuned."
    ),
    "images": Recipe(
        _COLOUR,
        ours.TRAIN_PAIR,
        MonitorConfig(policy="rollback"),
        data="folder",
        note="Ours, a place to start for 28 to 64 pixels a side; not tuned.",
    ),
    "cifar10": Recipe(
        _COLOUR,
        ours.TRAIN_PAIR,
        MonitorConfig(policy="rollback"),
        data="cifar10",
        note="Ours: convolutions of a size that fits a CPU; not tuned.",
    ),
    "cifar10-paper": Recipe(
        _PAPER,
        TrainConfig(
            steps=250_000,
            batch_size=40,
            lr=3e-5,
            beta1=0.0,
            beta2=0.9,
            warmup=2500,
            flip=True,
            log_every=50,
            save_every=5000,
            sample_every=5000,
        ),
        data="cifar10",
        note="The released constants without its classifier; our networks in place of its residual ones with "
        "dropout .3, and a constant rate where theirs falls to .3 of it at updates 187,500 and 218,750.",
    ),
}
