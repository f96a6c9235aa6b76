"""Settings of noise-contrastive estimation: the loss, the law of the noise, the chain. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive
from . import ours
from .chain import PixelConfig
from .generator import GeneratorConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import TrainConfig


@dataclass(frozen=True)
class NoiseConfig:
    """The law q that data are told from; raises `UsageError` for values out of range."""

    law: Literal["gaussian", "uniform", "flow"] = "gaussian"
    """A Gaussian with the data's covariance, uniform on their box, or a flow that learns alongside."""
    updates: int = 100
    """Updates before the energy learns: they fit the Gaussian, or are the flow's lead (not uniform)."""
    ridge: float = 1e-3
    """Variance added to the Gaussian in every direction, so that it has no flat ones."""
    widen: float = 0.1
    """Margin of the uniform box on either side, as a share of pixels.low to pixels.high."""
    ratio: int = 4
    """nu: noise draws for each datum."""
    sigma: float = 0.3
    """Noise that leads from a datum to its contrast (objective conditional)."""

    def __post_init__(self) -> None:
        require_choices(self, "noise")
        require_positive(**{f"noise.{k}": getattr(self, k) for k in ("ridge", "ratio", "sigma")})
        require_not_negative(**{f"noise.{k}": getattr(self, k) for k in ("updates", "widen")})
        if self.law == "gaussian" and self.updates < 1:
            raise UsageError(f"noise.updates is {self.updates}: a Gaussian needs at least 1 batch to fit")

    @property
    def lead(self) -> int:
        """Update at which the energy begins to learn."""
        return 0 if self.law == "uniform" else self.updates


@dataclass(frozen=True)
class SamplingConfig:
    """A chain at temperature 1 from draws of the noise; raises `UsageError` for values out of range."""

    kernel: Literal["mala", "langevin"] = "mala"
    """With or without a Metropolis test; without it while training in bf16, which the test refuses."""
    steps: int = 300
    """Steps of one chain."""
    step_size: float = 0.02
    """s: the drift is s/2 times the gradient of E, the noise root s."""

    def __post_init__(self) -> None:
        require_choices(self, "chain")
        require_positive(**{"chain.steps": self.steps, "chain.step_size": self.step_size})


@dataclass(frozen=True)
class NCEConfig:
    """One energy told from noise."""

    net: NetConfig = field(default_factory=lambda: NetConfig(activation="swish"))
    """The energy."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    flow: GeneratorConfig = field(default_factory=lambda: GeneratorConfig("flow", hidden=(64, 64), blocks=6))
    """The flow, where it is the noise."""
    chain: SamplingConfig = field(default_factory=SamplingConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)
    objective: Literal["binary", "ranking", "conditional"] = "binary"
    """binary learns log Z too; ranking (InfoNCE with log q) and conditional (x against x + noise) do not."""
    tilt: bool = False
    """E = net - log q, so that the network need learn only what q lacks; not for the uniform law."""
    partition_rate: float = 10.0
    """Learning rate of the log-partition c over that of the energy."""

    def __post_init__(self) -> None:
        require_choices(self, "nce")
        require_positive(partition_rate=self.partition_rate)
        if self.net.classes:
            raise UsageError(
                "noise-contrastive estimation is unconditional: set net.classes to 0, or use igebm"
            )
        if self.flow.name != "flow":
            raise UsageError(
                f"flow.name is '{self.flow.name}': only a flow has a density; leave it at 'flow'"
            )
        if self.tilt and self.noise.law == "uniform":
            raise UsageError(
                "tilt of a uniform law is the network alone: unset it, or use noise.law gaussian"
            )


PAPER = Paper(
    key="gutmann2012noise",
    authors="Michael U. Gutmann and Aapo Hyvärinen",
    year=2012,
    title="Noise-Contrastive Estimation of Unnormalized Statistical Models, "
    "with Applications to Natural Image Statistics",
    venue="Journal of Machine Learning Research 13",
    url="https://jmlr.org/papers/v13/gutmann12a.html",
)

PUBLISHED: list[Published] = []

_PLANE = NCEConfig(
    net=NetConfig(name="mlp", hidden=(128, 128), activation="tanh"),
    noise=NoiseConfig(ratio=2),
    pixels=PixelConfig(-2.5, 2.5),
    tilt=True,
)
_PLANE_TRAIN = TrainConfig(
    steps=3000, batch_size=256, lr=5e-3, decay=0.5, average=0.999, save_every=1000, sample_every=500
)
_DIGITS = NCEConfig(
    net=ours.DENSE8,
    noise=NoiseConfig(ratio=1),
    chain=SamplingConfig("mala", 300, 0.005),
    pixels=PixelConfig(-1.0, 1.0, noise=0.1),
    tilt=True,
)
_GREY = replace(_DIGITS, net=replace(_DIGITS.net, hidden=(1024, 512)))
_CONV = replace(
    _DIGITS,
    net=ours.CONV,
)
_TRAIN = TrainConfig(
    steps=4000,
    batch_size=128,
    lr=3e-4,
    decay=0.5,
    average=0.999,
    log_every=20,
    save_every=1000,
    sample_every=1000,
)
_POOR = (
    "Expect poor samples: images are told from a Gaussian at a glance, after which little is left to learn."
)

PRESETS: dict[str, Recipe] = {
    "toy": Recipe(
        _PLANE,
        _PLANE_TRAIN,
        data="toy:ring",
        note="Ours: a fitted Gaussian tilted by a bounded network; E + c is -log density.",
    ),
    "toy-flow": Recipe(
        replace(_PLANE, noise=NoiseConfig("flow", updates=500, ratio=1)),
        _PLANE_TRAIN,
        data="toy:ring",
        note="Ours: a flow learns the noise alongside, as in Gao et al. 2020, but by maximum likelihood.",
    ),
    "digits": Recipe(_DIGITS, _TRAIN, data="digits", note=f"Ours. {_POOR}"),
    "mnist": Recipe(_GREY, _TRAIN, data="mnist", note=f"Ours. {_POOR}"),
    "fashion_mnist": Recipe(_GREY, _TRAIN, data="fashion_mnist", note=f"Ours. {_POOR}"),
    "images": Recipe(
        _CONV, _TRAIN, data="folder", note=f"Ours; a covariance of all pixels, so up to 32 a side. {_POOR}"
    ),
    "cifar10": Recipe(_CONV, _TRAIN, data="cifar10", note=f"Ours. {_POOR}"),
}
