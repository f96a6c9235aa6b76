"""Settings of cooperative networks. Torch-free.

The released x - (d^2/2) (x / s^2 - grad f) + d xi is step_size d^2 and noise d here, at temperature 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.errors import UsageError, require_not_negative, require_positive
from . import ours
from .chain import ChainConfig, LossConfig, PixelConfig
from .generator import GeneratorConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class CoopNetsConfig:
    """One pair: a generator that starts chains, an energy that refines them."""

    net: NetConfig = field(default_factory=NetConfig)
    """The energy (the papers' descriptor)."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The generator."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=15, step_size=2.0, noise=0.01))
    """The refining chain of training."""
    sample: ChainConfig | None = None
    """The refining chain of sampling; none for that of training."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    reference_sigma: float = 0.0
    """Standard deviation of the energy's Gaussian reference measure; 0 for a uniform one."""
    sigma: float = 0.3
    """Noise of the generator, x = g(z) + sigma eps: the scale of its squared error."""
    noisy_start: bool = False
    """Begin chains at g(z) + sigma eps in place of g(z)."""
    infer_steps: int = 0
    """Langevin steps on z towards its posterior given the refined x, before the generator learns."""
    infer_step_size: float = 0.01
    """Their s, z' = z - (s/2) grad U + sqrt(s) xi."""
    base_rate: float = 1.0
    """Learning rate of the generator over that of the energy."""

    def __post_init__(self) -> None:
        require_positive(sigma=self.sigma, infer_step_size=self.infer_step_size, base_rate=self.base_rate)
        require_not_negative(reference_sigma=self.reference_sigma, infer_steps=self.infer_steps)
        if self.reference_sigma and not self.chain.noise:
            raise UsageError("a Gaussian reference needs a temperature: set chain.noise above 0")
        if self.net.classes:
            raise UsageError("cooperative networks are unconditional: set net.classes to 0, or use igebm")

    @property
    def sampling(self) -> ChainConfig:
        """The chain that refines samples."""
        return self.sample or self.chain


PAPER = Paper(
    key="xie2020cooperative",
    authors="Jianwen Xie and Yang Lu and Ruiqi Gao and Song-Chun Zhu and Ying Nian Wu",
    year=2020,
    title="Cooperative Training of Descriptor and Generator Networks",
    venue="IEEE Transactions on Pattern Analysis and Machine Intelligence 42(1)",
    url="https://arxiv.org/abs/1609.09408",
)

PUBLISHED: list[Published] = []

_TOY = CoopNetsConfig(
    net=ours.PLANE,
    generator=GeneratorConfig(latent=2, hidden=(64, 64), activation="swish"),
    chain=ChainConfig(15, 0.05, 0.03),
    pixels=PixelConfig(-2.5, 2.5),
    sigma=0.1,
)
_TOY_TRAIN = TrainConfig(
    steps=4000,
    batch_size=256,
    lr=1e-3,
    beta1=0.5,
    decay=0.5,
    average=0.999,
    save_every=1000,
    sample_every=500,
)
_IMAGES = CoopNetsConfig(
    net=NetConfig(name="mlp", hidden=(512, 256), activation="swish"),
    generator=GeneratorConfig(latent=32, hidden=(256, 512), norm="batch", output="tanh"),
    chain=ChainConfig(15, 4.0, 0.01, clamp=True),
    pixels=PixelConfig(noise=0.03),
    base_rate=0.5,
)
_IMAGES_TRAIN = TrainConfig(
    steps=12_000,
    batch_size=64,
    lr=1e-3,
    beta1=0.5,
    warmup=100,
    decay=0.5,
    average=0.999,
    log_every=20,
    save_every=2000,
    sample_every=2000,
)
_DIGITS = replace(
    _IMAGES,
    net=replace(_IMAGES.net, hidden=(256, 256)),
    generator=replace(_IMAGES.generator, latent=16, hidden=(64, 128)),
    chain=replace(ours.CHAIN, steps=15),
)
_COLOUR = replace(
    _IMAGES,
    net=NetConfig(channels=(32, 64, 128), kernels=(4,), strides=(2,), pool="flatten", activation="swish"),
    generator=GeneratorConfig(
        "conv", latent=64, hidden=(), channels=(128, 64, 32), norm="batch", output="tanh"
    ),
    chain=replace(ours.CHAIN, steps=15),
)
_PAPER = CoopNetsConfig(
    net=NetConfig(channels=(64, 128, 256), kernels=(4,), strides=(2,), pool="flatten"),
    generator=GeneratorConfig(
        "conv",
        latent=100,
        hidden=(),
        channels=(512, 256, 128),
        activation="leaky_relu",
        norm="batch",
        output="tanh",
    ),
    chain=ChainConfig(15, 4e-6, 0.002),
    reference_sigma=0.016,
    base_rate=1 / 70,
)

PRESETS: dict[str, Recipe] = {
    "toy": Recipe(
        _TOY, _TOY_TRAIN, data="toy:ring", note="Ours: small dense networks, 15 nearly cold steps."
    ),
    "digits": Recipe(
        _DIGITS,
        replace(_IMAGES_TRAIN, steps=4000, lr=2e-3, save_every=1000, sample_every=1000),
        data="digits",
        note="Ours: dense networks, 15 clamped steps.",
    ),
    "mnist": Recipe(
        _IMAGES, _IMAGES_TRAIN, data="mnist", note="Ours: dense networks, 15 clamped steps; not tuned."
    ),
    "fashion_mnist": Recipe(
        _IMAGES,
        _IMAGES_TRAIN,
        data="fashion_mnist",
        note="Ours: dense networks, 15 clamped steps; not tuned.",
    ),
    "images": Recipe(
        _COLOUR,
        _IMAGES_TRAIN,
        MonitorConfig(policy="rollback"),
        data="folder",
        note="Ours, a place to start for 28 to 64 pixels a side; not tuned.",
    ),
    "cifar10": Recipe(
        _COLOUR,
        _IMAGES_TRAIN,
        MonitorConfig(policy="rollback"),
        data="cifar10",
        note="Ours: convolutions of a size that fits a CPU; not tuned.",
    ),
    "mnist-paper": Recipe(
        _PAPER,
        TrainConfig(
            steps=100_000,
            batch_size=100,
            lr=7e-3,
            beta1=0.5,
            log_every=50,
            save_every=1000,
            sample_every=1000,
        ),
        # The reference |x|^2 / 2s^2 has gradients of 3,900 |x|, which E learns to cancel.
        MonitorConfig(max_gap=1e7),
        data="mnist",
        note="The released constants (s .016, sigma .3, K 15, delta .002) and layers, except: 100 chains for "
        "100 images where it has 144, one output where it sums 100 (which learn faster), and a generator "
        "through 4, 8, 16 and 32 pixels where it goes through 4, 7, 14 and 28.",
    ),
}
