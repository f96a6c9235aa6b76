"""The generative ConvNet's settings and those of the "anatomy" study. Torch-free.

The study's x - grad f + eps xi with U = f / (eps^2 / 2) is step_size 2 and noise eps here, so T = eps^2 / 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.errors import UsageError
from . import ours
from .chain import ChainConfig, LossConfig, PixelConfig, StartConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class GenerativeConvNetConfig:
    """One generative ConvNet."""

    net: NetConfig = field(default_factory=NetConfig)
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=60, step_size=2.0, noise=0.01))
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=StartConfig)
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(-1.0, 1.0, noise=0.03))
    loss: LossConfig = field(default_factory=LossConfig)
    reference_sigma: float = 0.0
    """Standard deviation of a Gaussian reference measure; 0 for a uniform one."""

    def __post_init__(self) -> None:
        if self.reference_sigma < 0:
            raise UsageError(
                f"reference_sigma is {self.reference_sigma}: it must be positive, or 0 for uniform"
            )
        if self.reference_sigma and not self.chain.noise:
            raise UsageError("a Gaussian reference needs a temperature: set chain.noise above 0")

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples."""
        return self.sample or self.chain


PAPER = Paper(
    key="xie2016generative",
    authors="Jianwen Xie and Yang Lu and Song-Chun Zhu and Ying Nian Wu",
    year=2016,
    title="A Theory of Generative ConvNet",
    venue="International Conference on Machine Learning",
    url="https://arxiv.org/abs/1602.03264",
)

ANATOMY = Paper(
    key="nijkamp2020anatomy",
    authors="Erik Nijkamp and Mitch Hill and Tian Han and Song-Chun Zhu and Ying Nian Wu",
    year=2020,
    title="On the Anatomy of MCMC-Based Maximum Likelihood Learning of Energy-Based Models",
    venue="AAAI Conference on Artificial Intelligence",
    url="https://arxiv.org/abs/1903.12370",
)

PUBLISHED: list[Published] = []

_TOY_NET = NetConfig(name="mlp", hidden=(32, 64, 64, 64), activation="leaky_relu", negative_slope=0.05)
_TOY_PIXELS = PixelConfig(-1.0, 1.0)

PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        GenerativeConvNetConfig(
            net=NetConfig(channels=(32, 64), kernels=(4,), strides=(2,), pool="flatten", activation="swish"),
            chain=replace(ours.CHAIN, steps=20),
            start=StartConfig(kind="noise"),
        ),
        replace(ours.TRAIN, steps=1500, batch_size=64, lr=2e-3),
        data="digits",
        note="Ours: short-run chains, uniform reference, a small convolutional network.",
    ),
    "images": Recipe(
        GenerativeConvNetConfig(
            net=ours.CONV,
            chain=replace(ours.CHAIN, steps=30),
            start=StartConfig(kind="noise"),
        ),
        replace(ours.TRAIN, steps=5000, batch_size=64),
        MonitorConfig(policy="rollback"),
        data="folder",
        note=ours.PLACE,
    ),
    "toy": Recipe(
        GenerativeConvNetConfig(
            net=ours.PLANE,
            chain=ours.PLANE_CHAIN,
            sample=ours.PLANE_LONG,
            start=StartConfig(capacity=5000),
            pixels=PixelConfig(-2.5, 2.5),
            reference_sigma=2.0,
        ),
        ours.PLANE_TRAIN,
        data="toy:ring",
        note="Ours: Gaussian reference N(0, 4 I), persistent chains at temperature 1.",
    ),
    "toy-cold": Recipe(
        GenerativeConvNetConfig(
            net=_TOY_NET,
            chain=ChainConfig(100, 2.0, 0.01),
            pixels=_TOY_PIXELS,
            start=StartConfig(kind="noise", noise="gaussian"),
        ),
        TrainConfig(steps=5000, batch_size=100, lr=1e-4),
        data="toy:ring",
        note="Anatomy study, non-convergent: Adam, eps .01, K = 100, Gaussian starts.",
    ),
    "toy-convergent": Recipe(
        GenerativeConvNetConfig(
            net=_TOY_NET,
            chain=ChainConfig(500, 2.0, 0.125),
            pixels=_TOY_PIXELS,
            start=StartConfig(kind="persistent", capacity=10_000, reinit=0.0),
        ),
        TrainConfig(steps=20_000, batch_size=100, lr=1e-3, decay=0.9, lr_end=0.01, average=0.999),
        data="toy:ring",
        note="Anatomy study, convergent: eps .125, K = 500, persistent; Adam, its rate falling, for SGD.",
    ),
    "cifar10-cold": Recipe(
        GenerativeConvNetConfig(
            net=NetConfig(
                channels=(32, 64, 128, 256),
                kernels=(3, 4),
                strides=(1, 2),
                pool="flatten",
                negative_slope=0.05,
            ),
            chain=ChainConfig(150, 2.0, 0.01),
            start=StartConfig(kind="noise"),
        ),
        TrainConfig(steps=100_000, batch_size=100, lr=1e-4, log_every=50, save_every=1000, sample_every=1000),
        data="cifar10",
        note="Anatomy study, CIFAR-10 non-convergent: K = 150 from uniform noise.",
    ),
    "mnist-convergent": Recipe(
        GenerativeConvNetConfig(
            net=NetConfig(
                channels=(32, 64, 128, 256),
                kernels=(3, 4),
                strides=(1, 2),
                pool="flatten",
                negative_slope=0.05,
            ),
            chain=ChainConfig(500, 2.0, 0.0075),
            start=StartConfig(capacity=60_000, reinit=0.0),
            pixels=PixelConfig(-1.0, 1.0, noise=0.015),
        ),
        TrainConfig(
            steps=100_000, batch_size=100, lr=1e-4, decay=0.9, lr_end=0.01, log_every=50, save_every=500
        ),
        data="mnist",
        note="Anatomy study, MNIST convergent, with a plain in place of a non-local network.",
    ),
}
