"""Settings of the Generalized EBM, and of the GAN and f-GAN of the same networks. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive
from . import ours
from .chain import PixelConfig
from .generator import GeneratorConfig
from .latent import LatentConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import TrainConfig


@dataclass(frozen=True)
class GEBMConfig:
    """One Generalized EBM: a base generator, an energy on its samples, a way to draw latents."""

    net: NetConfig = field(default_factory=NetConfig)
    """The energy."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The base."""
    latent: LatentConfig = field(default_factory=LatentConfig)
    """How samples are drawn."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    divergence: Literal["kale", "donsker", "jensen_shannon", "reverse_kl", "pearson", "hellinger"] = "kale"
    """What the energy estimates and the base brings down: KALE, or the f-divergence of a GAN or f-GAN."""
    base: Literal["divergence", "likelihood", "frozen"] = "divergence"
    """How the base learns: by the divergence, by maximum likelihood (flows), or not at all."""
    energy_steps: int = 5
    """Updates of the energy for each one of the base."""
    energy_first: int = 100
    """Updates of the energy before the first of the base, and before the first of every period."""
    period: int = 500
    """Updates of the base in one period."""
    penalty: float = 1.0
    """Weight of the mean squared norm of the energy's gradient between data and base; 0 for none."""
    settle: int = 0
    """Update from which the base rests and the energy alone learns, to weigh its samples; 0 for never."""
    settle_penalty: float = 0.1
    """`penalty` from then on."""
    squash: bool = True
    """Take 2 g / (1 + g^2) for every gradient g of an energy weight, as the released code does."""
    floor: float = 10.0
    """Energies below -floor count as -floor; 0 for no floor."""
    base_rate: float = 1.0
    """Learning rate of the base over that of the energy."""

    def settled(self, step: int) -> bool:
        """Whether the base rests at an update."""
        return bool(self.settle) and step >= self.settle

    def __post_init__(self) -> None:
        require_choices(self, "gebm")
        require_positive(energy_steps=self.energy_steps, period=self.period, base_rate=self.base_rate)
        require_not_negative(
            **{k: getattr(self, k) for k in ("energy_first", "penalty", "settle", "settle_penalty", "floor")}
        )
        if self.base == "likelihood" and self.generator.name != "flow":
            raise UsageError(
                f"base is likelihood, but a generator '{self.generator.name}' has no density: set "
                "generator.name to flow, or base to divergence"
            )
        if self.net.classes:
            raise UsageError("the Generalized EBM is unconditional: set net.classes to 0, or use igebm")


PAPER = Paper(
    key="arbel2021generalized",
    authors="Michael Arbel and Liang Zhou and Arthur Gretton",
    year=2021,
    title="Generalized Energy Based Models",
    venue="International Conference on Learning Representations",
    url="https://arxiv.org/abs/2003.05033",
)

PUBLISHED: list[Published] = [
    Published("CIFAR-10, ResNet, latent chains", "FID (Inception)", "19.31"),
    Published("CIFAR-10, SNGAN architecture, latent chains", "FID (Inception)", "23.02"),
]

_TOY = GEBMConfig(
    net=ours.PLANE,
    generator=GeneratorConfig(latent=2, hidden=(64, 64), activation="swish"),
    latent=LatentConfig(steps=300, step_size=0.05),
    pixels=PixelConfig(-2.5, 2.5),
    penalty=0.05,
    squash=False,
)
_TOY_TRAIN = TrainConfig(
    steps=10_000,
    batch_size=256,
    lr=1e-3,
    beta1=0.5,
    decay=0.5,
    average=0.999,
    save_every=1000,
    sample_every=500,
)

_IMAGES = GEBMConfig(
    net=NetConfig(name="mlp", hidden=(512, 256), activation="leaky_relu"),
    generator=GeneratorConfig(latent=32, hidden=(256, 512), norm="batch", output="tanh"),
    latent=LatentConfig("langevin", 100, 0.05),
    energy_steps=1,
    energy_first=20,
    penalty=10.0,
    settle=20_000,
    settle_penalty=3.0,
    squash=False,
)
_NARROW = replace(
    _IMAGES,
    generator=replace(_IMAGES.generator, latent=8, hidden=(128, 256)),
    latent=LatentConfig("langevin", 60, 0.1),
    settle=12_000,
)
_STACKED = replace(_IMAGES, generator=replace(_IMAGES.generator, latent=48, hidden=(256, 512)), settle=12_000)
_IMAGES_TRAIN = replace(ours.TRAIN_PAIR, steps=23_000)
_DIGITS = replace(
    _IMAGES,
    net=replace(_IMAGES.net, hidden=(256, 128)),
    generator=replace(_IMAGES.generator, latent=8, hidden=(64, 128)),
    settle=6000,
)
_COLOUR = replace(
    _IMAGES,
    net=NetConfig(channels=(32, 64, 128), kernels=(4,), strides=(2,), pool="flatten"),
    generator=GeneratorConfig(
        "conv", latent=64, hidden=(), channels=(128, 64, 32), norm="batch", output="tanh"
    ),
)
_TABLE = GEBMConfig(
    net=NetConfig(name="mlp", hidden=(64, 64), activation="swish"),
    generator=GeneratorConfig("flow", hidden=(32, 32), blocks=8),
    latent=LatentConfig("mala", 200, 0.1),
    pixels=PixelConfig(-3.0, 3.0),
    base="likelihood",
    penalty=0.1,
    settle=900,
    squash=False,
)
_PAPER = GEBMConfig(
    net=NetConfig(
        channels=(64, 64, 128, 128, 256, 256, 512),
        kernels=(3, 4, 3, 4, 3, 4, 3),
        strides=(1, 2, 1, 2, 1, 2, 1),
        pool="flatten",
        negative_slope=0.1,
        spectral_norm=True,
    ),
    generator=GeneratorConfig(
        "conv", latent=100, hidden=(), channels=(512, 256, 128), norm="batch", output="tanh"
    ),
    latent=LatentConfig("langevin", 1000, 1e-4, beta=100.0, shrink=0.1, shrink_every=200),
)
_WIDE_NOTE = "Ours: dense networks, a strong penalty, and a last part in which the energy learns alone."
_NARROW_NOTE = "Ours: a base of 8 latents, too narrow for the data, so that the energy has much to do."

PRESETS: dict[str, Recipe] = {
    "toy": Recipe(_TOY, _TOY_TRAIN, data="toy:ring", note="Ours: small dense networks."),
    "digits": Recipe(_DIGITS, replace(_IMAGES_TRAIN, steps=8000), data="digits", note=_NARROW_NOTE),
    "mnist": Recipe(_IMAGES, _IMAGES_TRAIN, data="mnist", note=_WIDE_NOTE),
    "fashion_mnist": Recipe(_IMAGES, _IMAGES_TRAIN, data="fashion_mnist", note=_WIDE_NOTE),
    "mnist-narrow": Recipe(_NARROW, replace(_IMAGES_TRAIN, steps=15_000), data="mnist", note=_NARROW_NOTE),
    "fashion_mnist-narrow": Recipe(
        _NARROW, replace(_IMAGES_TRAIN, steps=15_000), data="fashion_mnist", note=_NARROW_NOTE
    ),
    "stacked_mnist": Recipe(
        _STACKED,
        replace(_IMAGES_TRAIN, steps=14_500),
        data="stacked_mnist",
        note="As mnist, with 48 latents.",
    ),
    "images": Recipe(
        _COLOUR,
        _IMAGES_TRAIN,
        data="folder",
        note="Ours, a place to start for 28 to 64 pixels a side; not tuned.",
    ),
    "cifar10": Recipe(
        _COLOUR, _IMAGES_TRAIN, data="cifar10", note="Ours: convolutions of a size that fits a CPU."
    ),
    "cifar10-paper": Recipe(
        _PAPER,
        TrainConfig(
            steps=750_000,
            batch_size=128,
            lr=1e-4,
            beta1=0.5,
            log_every=100,
            save_every=5000,
            sample_every=5000,
        ),
        data="cifar10",
        note="The released SNGAN architecture and constants, without its MMD test for the learning rate.",
    ),
    "table": Recipe(
        _TABLE,
        replace(ours.PLANE_TRAIN, batch_size=128, average=0.99, sample_every=0),
        data="table:wine",
        note="Ours: a flow by maximum likelihood, tilted by an energy, which then learns alone.",
    ),
}
