"""Energy matching's settings. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive
from . import ours
from .chain import PixelConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import TrainConfig


@dataclass(frozen=True)
class FlowConfig:
    """The way from noise to data, and how it is sampled."""

    updates: int = 5000
    """Updates of the flow alone, before the contrastive phase."""
    weight: float = 1.0
    """Weight of the flow's loss in the contrastive phase."""
    blur: float = 0.02
    """Regularisation of the transport plan, over the mean squared distance."""
    sampler: Literal["heun", "langevin"] = "heun"
    """Gradient flow by Heun's method, or Langevin steps whose temperature rises on the way."""
    time: float = 1.0
    """Length of a sampling chain; 1 is where the flow reaches data."""
    dt: float = 0.02
    """Time of one sampling step."""

    def __post_init__(self) -> None:
        require_choices(self, "flow")
        require_positive(**{f"flow.{k}": getattr(self, k) for k in ("blur", "time", "dt")})
        require_not_negative(**{"flow.updates": self.updates, "flow.weight": self.weight})
        if self.dt > self.time:
            raise UsageError(f"flow.dt is {self.dt}, flow.time {self.time}: a step must fit into the time")

    @property
    def steps(self) -> int:
        """Steps of a sampling chain."""
        return round(self.time / self.dt)


@dataclass(frozen=True)
class ContrastConfig:
    """The contrastive phase, in which exp(-V / epsilon) becomes the law of the data."""

    epsilon: float = 0.01
    """Temperature at and after time 1."""
    cutoff: float = 0.9
    """Time before which chains from noise have no noise; from there the temperature rises linearly to time
    1; at 1 it jumps."""
    weight: float = 1e-3
    """Weight of the contrast."""
    floor: float = 0.0
    """The weighted contrast counts as no less than -floor (released code: .02); 0 for no bound."""
    trim: float = 0.0
    """Share of the negatives of highest energy that are left out (released code: up to .1)."""
    steps: int = 200
    """Langevin steps of a training chain."""
    dt: float = 0.01
    """Time of one of them: drift dt grad V, noise sqrt(2 dt epsilon)."""
    data_chains: Literal["constant", "ramp"] = "constant"
    """Half of the chains begin at data: at the full temperature, or through the ramp as the released code."""
    clamp: bool = False
    """Clamp the ends of chains to the range of the data."""

    def __post_init__(self) -> None:
        require_choices(self, "contrast")
        require_positive(**{f"contrast.{k}": getattr(self, k) for k in ("epsilon", "steps", "dt")})
        require_not_negative(**{"contrast.weight": self.weight, "contrast.floor": self.floor})
        if not (0 <= self.cutoff <= 1 and 0 <= self.trim < 1):
            raise UsageError(
                f"contrast.cutoff is {self.cutoff}, contrast.trim {self.trim}: the first lies in [0, 1], the "
                "second in [0, 1)"
            )


@dataclass(frozen=True)
class EnergyMatchingConfig:
    """One scalar potential for both: far from the data a flow, near it an energy."""

    net: NetConfig = field(default_factory=lambda: NetConfig(activation="swish"))
    """V; its loss needs second derivatives, so a smooth activation."""
    flow: FlowConfig = field(default_factory=FlowConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)

    def __post_init__(self) -> None:
        if self.net.classes:
            raise UsageError("energy_matching is unconditional: set net.classes to 0")
        if self.net.activation in ("relu", "leaky_relu"):
            raise UsageError(
                f"net.activation is {self.net.activation}: the flow differentiates the gradient of V, "
                "which is piecewise constant then; take a smooth one, such as swish"
            )


PAPER = Paper(
    key="balcerak2025energy",
    authors="Michal Balcerak and Tamaz Amiranashvili and Antonio Terpin and Suprosanna Shit and "
    "Lea Bogensperger and Sebastian Kaltenbach and Petros Koumoutsakos and Bjoern Menze",
    year=2025,
    title="Energy Matching: Unifying Flow Matching and Energy-Based Models for Generative Modeling",
    venue="Advances in Neural Information Processing Systems 38",
    url="https://arxiv.org/abs/2504.10612",
)

PUBLISHED = [Published("CIFAR-10 unconditional, 50M parameters, best time on that measure", "FID", "3.34")]

_OURS = TrainConfig(
    steps=6000,
    batch_size=128,
    lr=1e-3,
    warmup=200,
    decay=0.5,
    average=0.999,
    clip_norm=1.0,
    log_every=20,
    save_every=500,
    sample_every=1000,
)
_DENSE = NetConfig(name="mlp", hidden=(1024, 1024, 512), activation="swish")
_IMAGES = EnergyMatchingConfig(
    net=_DENSE,
    flow=FlowConfig(updates=4500, time=1.0, dt=0.05),
    contrast=ContrastConfig(steps=50, dt=0.02, weight=1e-3, floor=0.02),
)
_CONV = replace(
    _IMAGES, net=NetConfig(channels=(32, 64, 128), kernels=(4,), strides=(2,), activation="swish")
)
_NOTE = "Ours: dense networks, flow first, then shorter contrastive chains than the paper's."

PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        replace(
            _IMAGES,
            net=NetConfig(name="mlp", hidden=(512, 512, 256), activation="swish"),
            flow=replace(_IMAGES.flow, updates=2500),
        ),
        replace(_OURS, steps=3000),
        data="digits",
        note=_NOTE,
    ),
    "mnist": Recipe(_IMAGES, _OURS, data="mnist", note=_NOTE),
    "fashion_mnist": Recipe(_IMAGES, _OURS, data="fashion_mnist", note=_NOTE),
    "cifar10": Recipe(_CONV, replace(_OURS, flip=True), data="cifar10", note=_NOTE),
    "images": Recipe(
        _CONV,
        _OURS,
        data="folder",
        note=ours.PLACE,
    ),
    "toy": Recipe(
        EnergyMatchingConfig(
            net=ours.PLANE,
            flow=FlowConfig(updates=1000, weight=0.0, sampler="langevin", time=3.0, dt=0.02),
            contrast=ContrastConfig(epsilon=0.1, cutoff=0.8, weight=1.0, steps=60, dt=0.05),
            pixels=PixelConfig(-2.5, 2.5),
        ),
        replace(_OURS, steps=3000, lr=2e-3, batch_size=256),
        data="toy:ring",
        note="Ours: after the flow the contrast alone, so that exp(-V / epsilon) is the law.",
    ),
    "cifar10-paper": Recipe(
        EnergyMatchingConfig(
            net=NetConfig(
                name="igebm",
                channels=(128, 128, 128, 128, 256, 256, 256, 512, 512, 512),
                strides=(1, 2, 1, 1, 2, 1, 1, 2, 1, 1),
                activation="swish",
            ),
            flow=FlowConfig(updates=145_000, sampler="langevin", time=3.25, dt=0.01),
            contrast=ContrastConfig(cutoff=1.0, floor=0.02, trim=0.1, data_chains="ramp", clamp=True),
        ),
        TrainConfig(
            steps=147_000,
            batch_size=512,
            lr=1.2e-3,
            beta2=0.95,
            warmup=10_000,
            average=0.9999,
            clip_norm=1.0,
            flip=True,
            log_every=100,
            save_every=5000,
            sample_every=5000,
        ),
        data="cifar10",
        note="The released constants on a residual network; theirs is a U-Net with attention, its output "
        "x 1,000. There averages decay by .99 in the last 2,000 updates; the sampler is a stochastic Heun "
        "scheme; here they decay by .9999, and it takes Langevin steps with the same noise.",
    ),
}
