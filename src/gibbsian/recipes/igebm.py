"""IGEBM's settings: the paper's presets and ours. Torch-free.

The code's constants (drift 10 on the gradient, noise .005) are step_size 20 and noise .005 here, so the
chain's temperature is .005^2 / 20 = 1.25e-6. The algorithm is in `systems/igebm.py`.
A long file, because every preset spells out its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.errors import UsageError
from . import ours
from .chain import ChainConfig, LossConfig, PixelConfig, StartConfig
from .net import PAPER_NETS, NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class EnsembleConfig:
    """Sampling with past weights, one step each in turn."""

    members: int = 0
    """Past copies of the weights that are kept; 0 for none."""
    every: int = 300
    """Updates between two copies."""

    def __post_init__(self) -> None:
        if self.members < 0 or self.every < 1:
            raise UsageError(f"ensemble of {self.members} every {self.every}: members >= 0 and every >= 1")


PAPER_CHAIN = ChainConfig(steps=60, step_size=20.0, noise=0.005, noise_first=True, clip=0.01, clamp=True)


@dataclass(frozen=True)
class IGEBMConfig:
    """One IGEBM."""

    net: NetConfig = field(default_factory=NetConfig)
    chain: ChainConfig = PAPER_CHAIN
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=StartConfig)
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(0.0, 1.0, dequantize=True))
    loss: LossConfig = field(default_factory=lambda: LossConfig(energy_l2=1.0))
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples."""
        return self.sample or self.chain


PAPER = Paper(
    key="du2019igebm",
    authors="Yilun Du and Igor Mordatch",
    year=2019,
    title="Implicit Generation and Modeling with Energy-Based Models",
    venue="Advances in Neural Information Processing Systems 32",
    url="https://arxiv.org/abs/1903.08689",
)

PUBLISHED = [
    Published("CIFAR-10 unconditional, single", "Inception score / FID", "6.02 / 40.58"),
    Published("CIFAR-10 unconditional, 10-checkpoint ensemble", "Inception score / FID", "6.78 / 38.2"),
    Published("CIFAR-10 conditional", "Inception score / FID", "8.30 / 37.9"),
    Published("ImageNet-32 conditional", "Inception score / FID", "18.22 / 14.31"),
]

_PAPER_TRAIN = TrainConfig(
    steps=75_000,
    batch_size=128,
    lr=3e-4,
    beta1=0.0,
    clip_moments=True,
    log_every=50,
    save_every=1000,
    sample_every=1000,
)
_PAPER_START = StartConfig(capacity=10_000, reinit=0.05, uint8=True, labels="batch")


def _paper(net: NetConfig, members: int = 0) -> IGEBMConfig:
    return IGEBMConfig(net=net, start=_PAPER_START, ensemble=EnsembleConfig(members))


def _labelled(net: NetConfig, classes: int) -> NetConfig:
    return replace(net, classes=classes)


def _twenty_eight(data: str, classes: int = 0, members: int = 0) -> Recipe:
    """For 28x28 grey images: persistent chains on the short-run recipe's network and step."""
    net = ours.DENSE28
    if classes:
        net = replace(net, classes=classes, head="logits")
    return Recipe(
        IGEBMConfig(
            net=net,
            chain=ours.CHAIN28,
            sample=replace(ours.CHAIN28, steps=60),
            start=StartConfig(capacity=10_000, reinit=0.2),
            pixels=PixelConfig(-1.0, 1.0, noise=0.03),
            loss=LossConfig(),
            ensemble=EnsembleConfig(members),
        ),
        replace(ours.TRAIN28, steps=4500),
        data=data,
        note="Ours: E(x, y) = -f(x)[y], one network with a logit a class."
        if classes
        else "Ours: the conditional recipe without classes; not measured yet.",
    )


PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        IGEBMConfig(
            net=ours.DENSE8,
            chain=ours.CHAIN,
            sample=replace(ours.CHAIN, steps=100),
            start=StartConfig(capacity=5000, reinit=0.2),
            pixels=PixelConfig(-1.0, 1.0, noise=0.03),
            loss=LossConfig(),
            ensemble=EnsembleConfig(),
        ),
        replace(ours.TRAIN, steps=2500, lr=2e-3),
        data="digits",
        note="Ours: persistent chains on the short-run recipe's network and step.",
    ),
    "mnist": _twenty_eight("mnist"),
    "fashion_mnist": _twenty_eight("fashion_mnist"),
    "mnist-conditional": _twenty_eight("mnist", classes=10, members=10),
    "fashion_mnist-conditional": _twenty_eight("fashion_mnist", classes=10),
    "images": Recipe(
        IGEBMConfig(
            net=ours.CONV,
            chain=replace(ours.CHAIN, steps=40),
            sample=replace(ours.CHAIN, steps=200),
            start=StartConfig(capacity=5000, reinit=0.1),
            pixels=PixelConfig(-1.0, 1.0, noise=0.03),
            loss=LossConfig(energy_l2=0.01),
        ),
        ours.TRAIN_CONV,
        MonitorConfig(policy="rollback"),
        data="folder",
        note=ours.PLACE,
    ),
    "toy": Recipe(
        IGEBMConfig(
            net=ours.PLANE,
            chain=ours.PLANE_CHAIN,
            sample=ours.PLANE_LONG,
            start=StartConfig(capacity=5000, reinit=0.05),
            pixels=PixelConfig(-2.5, 2.5),
            loss=LossConfig(),
        ),
        ours.PLANE_TRAIN,
        data="toy:ring",
        note="Ours, matched at temperature 1, so that exp(-E) is the learnt density.",
    ),
    "cifar10": Recipe(
        _paper(PAPER_NETS["igebm_large"]),
        _PAPER_TRAIN,
        data="cifar10",
        note="Du & Mordatch 2019, unconditional; trained there for about 2 GPU-days.",
    ),
    "cifar10-conditional": Recipe(
        _paper(_labelled(PAPER_NETS["igebm_resnet32"], 10)),
        _PAPER_TRAIN,
        data="cifar10",
        note="Du & Mordatch 2019, conditional ResNet; buffer without labels, as in the released code.",
    ),
    "cifar10-ensemble": Recipe(
        _paper(PAPER_NETS["igebm_large"], members=10),
        _PAPER_TRAIN,
        data="cifar10",
        note="Du & Mordatch 2019: ten past weights, 300 updates apart, one step each in turn.",
    ),
    "imagenet32": Recipe(
        _paper(_labelled(PAPER_NETS["igebm_wider"], 1000)),
        TrainConfig(
            steps=120_000,
            batch_size=32,
            lr=3e-4,
            beta1=0.0,
            clip_moments=True,
            log_every=50,
            save_every=1000,
            sample_every=1000,
        ),
        data="imagenet32",
        note="Du & Mordatch 2019, conditional ImageNet-32; give the images as --data folder:DIR or FILE.npz.",
    ),
    "mnist-paper": Recipe(
        _paper(PAPER_NETS["igebm_mnist"]),
        TrainConfig(
            steps=60_000,
            batch_size=128,
            lr=3e-4,
            beta1=0.0,
            clip_moments=True,
            log_every=50,
            save_every=1000,
            sample_every=1000,
        ),
        data="mnist",
        note="Du & Mordatch 2019, MNIST network; symmetric padding makes its last map 3x3.",
    ),
    "uva-mnist": Recipe(
        IGEBMConfig(
            net=PAPER_NETS["uva_mnist"],
            chain=ChainConfig(60, 20.0, 0.005, noise_first=True, clip=0.03, clamp=True, clamp_noised=True),
            sample=ChainConfig(256, 20.0, 0.005, noise_first=True, clip=0.03, clamp=True, clamp_noised=True),
            start=StartConfig(capacity=8192, reinit=0.05),
            pixels=PixelConfig(-1.0, 1.0, noise=0.005),
            loss=LossConfig(energy_l2=0.1),
        ),
        TrainConfig(
            steps=28_000,
            batch_size=128,
            lr=1e-4,
            beta1=0.0,
            clip_norm=0.1,
            decay=1.0,
            lr_end=0.16,
            log_every=50,
            save_every=500,
            sample_every=500,
        ),
        data="mnist",
        note="Amsterdam deep-learning course, tutorial 8 (P. Lippe): 60 epochs; lr x .97 an epoch "
        "there, a cosine to the same end here.",
    ),
}
