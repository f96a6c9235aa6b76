"""Settings of improved contrastive divergence. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative
from ...data.settings import AugmentConfig, PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig
from ...objectives.settings import LossConfig
from ...starts.settings import StartConfig
from ..chain_settings import ChainSettings

ENOUGH = 1001
"""Stored ends (or a full buffer, if that is smaller) from which the entropy is estimated, as in the paper."""

PAPER_CHAIN = ChainConfig(steps=40, step_size=200.0, noise=0.001, noise_first=True, clamp=True)


@dataclass(frozen=True)
class ICDConfig(ChainSettings):
    """One energy trained with its sampler."""

    net: AnyNet = field(default_factory=lambda: ConvConfig(activation="swish"))
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
    """The reservoir (capacity, reinit) and the distribution of fresh noise; kind must be persistent."""
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
    def claims_density(self) -> bool:
        """Whether the training chains sample exp(-E/T), so that E/T is to be -log p(x) + const."""
        plain = not (self.augment.on or self.trains_sampler)
        return plain and super().claims_density

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
        if self.trains_sampler and self.net.kinked:
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


CONFIG = ICDConfig
