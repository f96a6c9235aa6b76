"""The conjugate EBM's settings: the paper's preset and ours. Torch-free.

The code's x - (a/2) grad E + .0075 xi with a = 2 is step_size 2 and noise .0075 here: temperature 2.8e-5.
The algorithm is in `systems/cebm.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError
from . import ours
from .chain import ChainConfig, LossConfig, PixelConfig, StartConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class CEBMConfig:
    """One conjugate EBM; raises `UsageError` for values out of range."""

    net: NetConfig = field(default_factory=NetConfig)
    """The network of the sufficient statistics, two outputs a latent coordinate."""
    latent: int = 16
    """Coordinates of z."""
    prior: Literal["gaussian", "mixture"] = "gaussian"
    """N(0, I), or Gaussians of unit variance in equal parts, their means drawn from N(0, I)."""
    components: int = 20
    """Gaussians of the mixture prior."""
    learn_prior: bool = False
    """Learn the prior's means and variances too."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=60, step_size=2.0, noise=0.0075))
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=lambda: StartConfig(capacity=5000))
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(-1.0, 1.0, noise=0.03))
    loss: LossConfig = field(default_factory=lambda: LossConfig(energy_l2=5e-3))

    def __post_init__(self) -> None:
        require_choices(self, "cebm")
        if self.latent < 1 or self.components < 1:
            raise UsageError(
                f"latent is {self.latent} and components {self.components}: both must be at least 1"
            )
        if self.net.classes:
            raise UsageError("a conjugate EBM is unconditional: set net.classes to 0, or use igebm")
        if self.loss.link != "exp":
            raise UsageError(
                f"loss.link is {self.loss.link}: the posterior is exact for exp(-E) only, leave it at exp"
            )

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples."""
        return self.sample or self.chain


PAPER = Paper(
    key="wu2021conjugate",
    authors="Hao Wu and Babak Esmaeili and Michael Wick and Jean-Baptiste Tristan "
    "and Jan-Willem van de Meent",
    year=2021,
    title="Conjugate Energy-Based Models",
    venue="International Conference on Machine Learning",
    url="https://arxiv.org/abs/2106.13798",
)

PUBLISHED: list[Published] = []

PAPER_NET = NetConfig(
    channels=(32, 32, 64, 64), kernels=(3, 4), strides=(1, 2), pool="flatten", activation="swish"
)


def _twenty_eight(data: str, prior: Literal["gaussian", "mixture"] = "gaussian") -> Recipe:
    """For 28x28 grey images: the persistent chains of IGEBM's recipe on a dense network.

    E is quadratic in the statistics. With swish it outran its chains (gaps of -75 after 200 updates at step 2
    and -31 at step 15); leaky ReLU at step 6 kept the gap near -5.
    """
    chain = replace(ours.CHAIN28, steps=30)
    return Recipe(
        CEBMConfig(
            net=NetConfig(name="mlp", hidden=(512, 256)),
            latent=32,
            prior=prior,
            chain=chain,
            sample=replace(chain, steps=60),
            start=StartConfig(capacity=10_000, reinit=0.2),
        ),
        replace(ours.TRAIN28, steps=3000, batch_size=64, lr=3e-4),
        data=data,
        note="Ours: IGEBM's persistent chains and dense network, a latent of 32 numbers.",
    )


_DIGITS = Recipe(
    CEBMConfig(
        net=ours.DENSE8,
        latent=64,
        chain=ours.CHAIN,
        sample=replace(ours.CHAIN, steps=100),
        start=StartConfig(capacity=5000, reinit=0.2),
    ),
    replace(ours.TRAIN, steps=1000, lr=2e-3),
    data="digits",
    note="Ours: IGEBM's persistent chains and dense network, with a conjugate latent of 64 numbers.",
)

_PAPER = Recipe(
    CEBMConfig(
        net=PAPER_NET,
        latent=128,
        chain=ChainConfig(steps=60, step_size=2.0, noise=0.0075),
        start=StartConfig(capacity=5000, reinit=0.05),
    ),
    TrainConfig(steps=90_000, batch_size=100, lr=5e-5, log_every=50, save_every=1000, sample_every=1000),
    data="mnist",
    note="Wu et al. 2021: 150 epochs, K = 60, buffer of 5,000, energy penalty .005.",
)

PRESETS: dict[str, Recipe] = {
    "digits": _DIGITS,
    "digits-mixture": replace(
        _DIGITS,
        model=replace(_DIGITS.model, prior="mixture"),
        note="Ours: the digits recipe with a prior of 20 Gaussians.",
    ),
    "mnist": _twenty_eight("mnist"),
    "mnist-mixture": _twenty_eight("mnist", "mixture"),
    "fashion_mnist": _twenty_eight("fashion_mnist"),
    "mnist-paper": _PAPER,
    "mnist-paper-mixture": replace(
        _PAPER,
        model=replace(_PAPER.model, prior="mixture"),
        note="Wu et al. 2021 with the prior of 20 Gaussians, their means fixed.",
    ),
    "fashion_mnist-paper": replace(_PAPER, data="fashion_mnist"),
    "images": Recipe(
        CEBMConfig(
            net=ours.CONV,
            latent=64,
            chain=replace(ours.CHAIN, steps=40),
            sample=replace(ours.CHAIN, steps=200),
            start=StartConfig(capacity=5000, reinit=0.1),
            loss=LossConfig(energy_l2=0.01),
        ),
        ours.TRAIN_CONV,
        MonitorConfig(policy="rollback"),
        data="folder",
        note=ours.PLACE,
    ),
    "toy": Recipe(
        CEBMConfig(
            net=NetConfig(name="mlp", hidden=(128, 128), activation="swish"),
            latent=2,
            prior="mixture",
            components=8,
            chain=ours.PLANE_CHAIN,
            sample=ours.PLANE_LONG,
            pixels=PixelConfig(-2.5, 2.5),
            loss=LossConfig(),
        ),
        ours.PLANE_TRAIN,
        data="toy:ring",
        note="Ours, matched at temperature 1, so that exp(-E) is the learnt density.",
    ),
}
