"""Settings of JEM. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.errors import UsageError, require_not_negative
from ...data.settings import AugmentConfig, PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig
from ...starts.settings import StartConfig
from ..chain_settings import ChainSettings


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
class JEMConfig(ChainSettings):
    """One classifier that is an energy-based model."""

    net: AnyNet = field(default_factory=lambda: ConvConfig(classes=10, head="logits"))
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
    def claims_density(self) -> bool:
        """Whether the training chains sample exp(-E/T), so that E/T is to be -log p(x) + const."""
        of_x = self.loss.w_x > 0 and not self.loss.ancestral
        return of_x and super().claims_density

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


CONFIG = JEMConfig
