"""JEM's settings: the paper's preset and ours. Torch-free.

The released drift of 1 on the gradient of log sum exp f and its noise of .01 are step_size 2 and noise .01
here, so the chain's temperature is .01^2 / 2 = 5e-5. The algorithm is in `systems/jem.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.errors import UsageError, require_not_negative
from . import ours
from .augment import AugmentConfig
from .chain import ChainConfig, PixelConfig, StartConfig
from .net import PAPER_NETS, NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class JEMLossConfig:
    """Weights of the terms -log p(y | x), -log p(x) and -log p(x, y); a weight of 0 leaves its term out."""

    w_y: float = 1.0
    """Weight of the cross-entropy of the labelled rows."""
    w_x: float = 1.0
    """Weight of E(x_pos) - E(x_neg); with w_xy 0 as well no chain runs: a plain classifier."""
    w_xy: float = 0.0
    """Weight of E(x_pos, y) - E(x_neg, y), x_neg from chains of p(x | y)."""
    ancestral: bool = False
    """The negatives of w_x come from p(y) p(x | y), y uniform, in place of chains of p(x)."""
    smoothed: bool = False
    """The cross-entropy also sees data with the noise of pixels.noise, as in the released code."""
    energy_l2: float = 0.0
    """Weight of mean E^2 of both phases beside each contrast."""
    label_smoothing: float = 0.0
    """Share of the label spread evenly over all classes, in [0, 1)."""

    def __post_init__(self) -> None:
        weights = {f"loss.{k}": getattr(self, k) for k in ("w_y", "w_x", "w_xy", "energy_l2")}
        require_not_negative(**weights)
        if not any((self.w_y, self.w_x, self.w_xy)):
            raise UsageError("loss.w_y, loss.w_x and loss.w_xy are all 0: nothing would be learnt, raise one")
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"loss.label_smoothing is {self.label_smoothing}: it lies in [0, 1), say .1")

    @property
    def chains(self) -> bool:
        """Whether training runs chains at all."""
        return bool(self.w_x or self.w_xy)


@dataclass(frozen=True)
class JEMConfig:
    """One classifier that is an energy-based model."""

    net: NetConfig = field(default_factory=lambda: NetConfig(classes=10, head="logits"))
    """The classifier f; its head must be logits."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=20, step_size=2.0, noise=0.01))
    """The training chain."""
    sample: ChainConfig | None = None
    """The sampling chain; none for the training chain."""
    start: StartConfig = field(default_factory=StartConfig)
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(noise=0.03))
    """Noise and dequantisation are for the contrasts; the cross-entropy sees clean data, but for augment."""
    loss: JEMLossConfig = field(default_factory=JEMLossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Changes of the rows that the cross-entropy sees."""
    labelled: int = 0
    """Rows of each class whose labels may be seen, always the same ones; 0 for all labels."""

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples."""
        return self.sample or self.chain

    def __post_init__(self) -> None:
        require_not_negative(labelled=self.labelled)
        if self.net.head != "logits":
            raise UsageError(
                f"net.head is {self.net.head}: a joint model is a classifier, set net.head to logits and "
                "net.classes to the number of classes"
            )
        if self.loss.ancestral and self.start.kind == "data":
            raise UsageError(
                "loss.ancestral draws classes that the data of start.kind=data do not have: use persistent"
            )


PAPER = Paper(
    key="grathwohl2020jem",
    authors="Will Grathwohl and Kuan-Chieh Wang and Jörn-Henrik Jacobsen and David Duvenaud and "
    "Mohammad Norouzi and Kevin Swersky",
    year=2020,
    title="Your Classifier is Secretly an Energy Based Model and You Should Treat it Like One",
    venue="International Conference on Learning Representations",
    url="https://arxiv.org/abs/1912.03263",
)

PUBLISHED = [
    Published("CIFAR-10", "accuracy", "92.9 %"),
    Published("CIFAR-10", "Inception score / FID", "8.76 / 38.4"),
]

_BACK = MonitorConfig(policy="rollback")
_OURS = JEMLossConfig(w_x=0.1, ancestral=True)
_DENSE = NetConfig(name="mlp", hidden=(512, 256), activation="swish", classes=10, head="logits")
_CONV = replace(ours.CONV, classes=10, head="logits")
_TRAIN = replace(ours.TRAIN28, steps=3000)


def _twenty_eight(data: str) -> Recipe:
    """For 28x28 grey images: the network and the chain of our conditional IGEBM preset."""
    return Recipe(
        JEMConfig(
            net=_DENSE,
            chain=ours.CHAIN28,
            sample=replace(ours.CHAIN28, steps=60),
            start=StartConfig(capacity=10_000, reinit=0.2),
            loss=_OURS,
        ),
        _TRAIN,
        _BACK,
        data=data,
        note="Ours: the conditional IGEBM's network and chain; at w_x = 1 the classifier learns too slowly.",
    )


def _colour(data: str, note: str) -> Recipe:
    return Recipe(
        JEMConfig(
            net=_CONV,
            chain=ours.CHAIN,
            sample=replace(ours.CHAIN, steps=100),
            start=StartConfig(capacity=5000, reinit=0.1),
            loss=replace(_OURS, energy_l2=0.01),
        ),
        replace(_TRAIN, steps=5000, batch_size=64, lr=3e-4, warmup=200),
        _BACK,
        data=data,
        note=note,
    )


PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        JEMConfig(
            net=replace(_DENSE, hidden=(256, 256)),
            chain=ours.CHAIN,
            sample=replace(ours.CHAIN, steps=100),
            start=StartConfig(capacity=5000, reinit=0.2),
            loss=_OURS,
        ),
        replace(_TRAIN, steps=1500, lr=2e-3),
        _BACK,
        data="digits",
        note="Ours: the mnist recipe in small.",
    ),
    "mnist": _twenty_eight("mnist"),
    "fashion_mnist": _twenty_eight("fashion_mnist"),
    "cifar10": _colour("cifar10", "Ours: convolutions of a size that fits a CPU; not tuned."),
    "images": _colour(
        "folder", "Ours, a place to start for labelled images of 28 to 64 pixels a side; set net.classes."
    ),
    "toy": Recipe(
        JEMConfig(
            net=replace(ours.PLANE, classes=8, head="logits"),
            chain=ours.PLANE_CHAIN,
            sample=ours.PLANE_LONG,
            start=StartConfig(capacity=5000, reinit=0.05),
            pixels=PixelConfig(-2.5, 2.5),
        ),
        ours.PLANE_TRAIN,
        data="toy:ring",
        note="Ours, matched at temperature 1, so that f is log p(x, y) + const; net.classes is the toy's.",
    ),
    "cifar10-paper": Recipe(
        JEMConfig(
            net=PAPER_NETS["jem_wide"],
            start=StartConfig(capacity=10_000, reinit=0.05),
            loss=JEMLossConfig(smoothed=True),
            augment=AugmentConfig(shift=4),
        ),
        TrainConfig(
            steps=117_000,
            batch_size=64,
            lr=1e-4,
            warmup=1000,
            flip=True,
            log_every=50,
            save_every=1000,
            sample_every=1000,
        ),
        _BACK,
        data="cifar10",
        note="Grathwohl et al. 2020: 150 epochs of a 28-10 wide residual net without batch norm. Crops are "
        "of the rows of the cross-entropy only, where the released code crops all.",
    ),
}
