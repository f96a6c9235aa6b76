"""Diffusion recovery likelihood's settings. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.errors import UsageError, require_not_negative, require_positive
from . import ours
from .chain import PixelConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import TrainConfig


@dataclass(frozen=True)
class LadderConfig:
    """The noise levels, and the chain on each."""

    levels: int = 6
    """Levels T between data and Gaussian noise."""
    steps: int = 30
    """Langevin steps on each level, in training and after."""
    scale: float = 2e-4
    """b_t^2 = scale (sigma_bar_t / sigma_bar_0) sigma_{t+1}^2: step size, and temperature of E, at level
    t."""
    noise_factor: float = 0.99
    """Factor on the noise of sampling chains after training (the paper's .99); 1 for the model itself."""

    def __post_init__(self) -> None:
        require_positive(**{"ladder.steps": self.steps, "ladder.scale": self.scale})
        require_not_negative(**{"ladder.noise_factor": self.noise_factor})
        if not 2 <= self.levels <= 500:
            raise UsageError(f"ladder.levels is {self.levels}: a ladder has 2 to 500 levels; the paper has 6")


@dataclass(frozen=True)
class DRLConfig:
    """One ladder of conditional energies, E(., t), in one network."""

    net: NetConfig = field(default_factory=NetConfig)
    """Any family: mlp, conv and igebm take the level as a class, levels by an embedding as the paper's."""
    ladder: LadderConfig = field(default_factory=LadderConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)

    def __post_init__(self) -> None:
        if self.net.classes:
            raise UsageError(
                "drl is unconditional: set net.classes to 0; the network is told the level instead"
            )
        if self.net.head != "scalar":
            raise UsageError("drl needs one energy a level: set net.head to scalar")


PAPER = Paper(
    key="gao2021learning",
    authors="Ruiqi Gao and Yang Song and Ben Poole and Ying Nian Wu and Diederik P. Kingma",
    year=2021,
    title="Learning Energy-Based Models by Diffusion Recovery Likelihood",
    venue="International Conference on Learning Representations",
    url="https://arxiv.org/abs/2012.08125",
)

PUBLISHED = [
    Published("CIFAR-10 unconditional, T = 6", "FID (Inception)", "9.58"),
    Published("CIFAR-10 unconditional, T = 6", "Inception score", "8.30"),
]

_OURS = replace(ours.TRAIN28, steps=6000, warmup=200, sample_every=1000)
_GREY = replace(_OURS, batch_size=64, lr=2e-3)
_PLANE = replace(ours.PLANE, sharpness=3.0)
_DEEP = NetConfig(
    name="levels",
    channels=(128, *(128,) * 8, *(256,) * 24),
    strides=(1, *((1,) * 7 + (2,)) * 3, *(1,) * 8),
)
_SMALL = NetConfig(name="levels", channels=(32, 32, 64, 64, 128), strides=(1, 2, 1, 2, 1))
_NOTE = "Ours: the paper's ladder with a dense network, which learns a gain and a bias for every level."

PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        DRLConfig(net=NetConfig(name="mlp", hidden=(512, 256), activation="swish")),
        replace(_OURS, steps=3000),
        data="digits",
        note=_NOTE,
    ),
    "mnist": Recipe(DRLConfig(net=ours.DENSE28), _GREY, data="mnist", note=_NOTE),
    "fashion_mnist": Recipe(DRLConfig(net=ours.DENSE28), _GREY, data="fashion_mnist", note=_NOTE),
    "cifar10": Recipe(
        DRLConfig(net=_SMALL),
        replace(_OURS, batch_size=64, lr=3e-4, flip=True),
        data="cifar10",
        note="Ours: the paper's ladder with a residual network of a size that fits a CPU.",
    ),
    "images": Recipe(
        DRLConfig(net=_SMALL),
        replace(_OURS, batch_size=64, lr=3e-4),
        data="folder",
        note=ours.PLACE,
    ),
    "toy": Recipe(
        DRLConfig(net=_PLANE, pixels=PixelConfig(-2.5, 2.5)),
        replace(_OURS, steps=3000, lr=5e-3),
        data="toy:ring",
        note="Ours: the paper's ladder and K = 30 in the plane.",
    ),
    "cifar10-paper": Recipe(
        DRLConfig(net=_DEEP),
        TrainConfig(
            steps=240_000,
            batch_size=256,
            lr=1e-4,
            warmup=1000,
            average=0.999,
            flip=True,
            log_every=100,
            save_every=5000,
            sample_every=5000,
        ),
        data="cifar10",
        note="Gao et al. 2021, T = 6: eight residual blocks a resolution; 8 TPU cores for 40 h there.",
    ),
}
