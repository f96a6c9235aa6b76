"""Improved contrastive divergence's settings: the paper's and ours. Torch-free.

The paper's drift of 100 on the gradient and its noise of .001 are step_size 200 and noise .001 here, so the
chain's temperature is .001^2 / 200 = 5e-9: next to gradient descent. The algorithm is in `systems/icd.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative
from . import ours
from .augment import AugmentConfig
from .chain import ChainConfig, LossConfig, PixelConfig, StartConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig

PIECEWISE = ("leaky_relu", "relu")
ENOUGH = 1001
"""Stored ends (or a full buffer, if that is smaller) from which the entropy is estimated, as in the paper."""

PAPER_CHAIN = ChainConfig(steps=40, step_size=200.0, noise=0.001, noise_first=True, clamp=True)


@dataclass(frozen=True)
class ICDConfig:
    """One energy trained with its sampler."""

    net: NetConfig = field(default_factory=lambda: NetConfig(activation="swish"))
    """The energy, of a smooth activation; at each scale if there are several."""
    scales: int = 1
    """Sizes of the image whose energies are added: 1 for the whole, 3 for halves and quarters too."""
    chain: ChainConfig = PAPER_CHAIN
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    mix: int = 0
    """Training chains with an augmentation after each, made before the sampling chain."""
    start: StartConfig = field(default_factory=StartConfig)
    """The reservoir (capacity, reinit) and the law of fresh noise; kind must be persistent."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """What happens to stored images before their chains go on; points are left alone."""
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(0.0, 1.0, dequantize=True))
    loss: LossConfig = field(default_factory=lambda: LossConfig(energy_l2=1.0))
    kl_weight: float = 1.0
    """Weight of the energy of chain ends, as a function of the sampler."""
    entropy_weight: float = 0.3
    """Weight of the mean log distance to the nearest of `neighbours` stored ends."""
    neighbours: int = 100
    """Stored ends, chosen at random, among which the nearest is looked for."""
    through: Literal["last", "all"] = "last"
    """Steps that gradients of these two terms go through; for all, memory grows with their number."""
    kl_rows: int = 0
    """Chains that these two terms are taken of, which bounds the memory; 0 for all."""

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples, at the end of `mix`."""
        return self.sample or self.chain

    @property
    def trains_sampler(self) -> bool:
        """Whether either term asks for a graph through the chain; without both this is plain CD."""
        return bool(self.kl_weight or self.entropy_weight)

    def __post_init__(self) -> None:
        require_choices(self, "icd")
        names = ("kl_weight", "entropy_weight", "kl_rows", "mix")
        require_not_negative(**{k: getattr(self, k) for k in names})
        if self.neighbours < 1 or self.scales < 1:
            raise UsageError(
                f"neighbours is {self.neighbours} and scales is {self.scales}: each must be at least 1"
            )
        self._check_start()
        if self.net.classes:
            raise UsageError("improved CD is unconditional here: set net.classes to 0, or use igebm")
        if self.trains_sampler and self.net.activation in PIECEWISE:
            raise UsageError(
                f"net.activation is {self.net.activation}: it is linear but for kinks, which a gradient "
                "through a chain step misses; use swish, or set kl_weight and entropy_weight to 0"
            )

    def _check_start(self) -> None:
        if self.start.kind != "persistent" or self.start.uint8:
            raise UsageError(
                f"start.kind is '{self.start.kind}' and start.uint8 {self.start.uint8}: chains begin at a "
                "reservoir of floats; leave both, or use igebm"
            )


PAPER = Paper(
    key="du2021improved",
    authors="Yilun Du and Shuang Li and Joshua Tenenbaum and Igor Mordatch",
    year=2021,
    title="Improved Contrastive Divergence Training of Energy Based Models",
    venue="International Conference on Machine Learning",
    url="https://arxiv.org/abs/2012.01316",
)

PUBLISHED = [
    Published("CIFAR-10 unconditional", "FID", "25.1"),
    Published("ImageNet-32 unconditional", "FID", "32.48"),
    Published("CelebA-HQ-128", "FID", "28.78"),
    Published("CIFAR-10 against SVHN / CIFAR-100 / Textures, by -E", "AUROC", ".91 / .83 / .88"),
]

_SCALE = NetConfig(channels=(64, 128, 256, 512), strides=(1, 2), pool="mean", activation="swish")
_SMALL_CROPS = AugmentConfig(crop=0.5, crop_scale=(0.8, 1.0))
_OURS = ICDConfig(
    net=ours.DENSE8,
    chain=ours.CHAIN,
    sample=replace(ours.CHAIN, steps=100),
    start=StartConfig(capacity=5000, reinit=0.2),
    pixels=PixelConfig(-1.0, 1.0, noise=0.03),
    loss=LossConfig(),
)


def _twenty_eight(data: str) -> Recipe:
    """For 28x28 grey images: the network and step of the other recipes of ours, small crops, no flips."""
    return Recipe(
        replace(
            _OURS,
            net=ours.DENSE28,
            chain=ours.CHAIN28,
            sample=replace(ours.CHAIN28, steps=60),
            start=StartConfig(capacity=10_000, reinit=0.2),
            augment=_SMALL_CROPS,
        ),
        replace(ours.TRAIN28, steps=4500),
        data=data,
        note="Ours, not tuned: crops of 80 to 100 % of the area, no flips.",
    )


PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        _OURS,
        ours.TRAIN28,
        data="digits",
        note="Ours, not tuned: the chain of the other recipes with the sampler's terms; no augmentation, "
        "since a crop of 8x8 pixels blurs them.",
    ),
    "mnist": _twenty_eight("mnist"),
    "fashion_mnist": _twenty_eight("fashion_mnist"),
    "images": Recipe(
        replace(
            _OURS,
            net=ours.CONV,
            chain=replace(ours.CHAIN, steps=40),
            sample=replace(ours.CHAIN, steps=200),
            start=StartConfig(capacity=5000, reinit=0.1),
            augment=replace(_SMALL_CROPS, flip=0.5),
            loss=LossConfig(energy_l2=0.01),
        ),
        replace(ours.TRAIN28, steps=5000, batch_size=64, lr=3e-4, warmup=200),
        MonitorConfig(policy="rollback"),
        data="folder",
        note="Ours, a place to start for images of 28 to 64 pixels a side that a flip leaves plausible.",
    ),
    "toy": Recipe(
        ICDConfig(
            net=ours.PLANE,
            chain=replace(ours.PLANE_CHAIN, steps=20),
            sample=ours.PLANE_LONG,
            start=StartConfig(capacity=5000, reinit=0.05),
            pixels=PixelConfig(-2.5, 2.5),
            loss=LossConfig(),
        ),
        ours.PLANE_TRAIN,
        data="toy:ring",
        note="Ours, at temperature 1.",
    ),
    "cifar10": Recipe(
        ICDConfig(
            net=_SCALE,
            scales=3,
            mix=10,
            start=StartConfig(capacity=10_000, reinit=0.05),
            augment=AugmentConfig(crop=1.0, flip=0.5, jitter=0.8),
        ),
        TrainConfig(
            steps=20_000,
            batch_size=128,
            lr=2e-4,
            beta1=0.0,
            beta2=0.9,
            clip_norm=0.5,
            average=0.99,
            log_every=50,
            save_every=1000,
            sample_every=1000,
        ),
        data="cifar10",
        note="Du et al. 2021: its chain, weights, buffer and augmentations (without hue and greys), on plain "
        "convolutions at three scales where it has residual blocks with attention; its authors stop early.",
    ),
}
