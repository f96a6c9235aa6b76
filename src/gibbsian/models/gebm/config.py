"""Settings of the Generalized EBM, and of the GAN and f-GAN of the same networks. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...mcmc.settings import LatentConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig, GeneratorConfig


@dataclass(frozen=True)
class GEBMConfig:
    """One Generalized EBM: a base generator, an energy on its samples, a way to draw latents."""

    step_counted: ClassVar[tuple[str, ...]] = ("freeze_base_at",)
    net: AnyNet = field(default_factory=ConvConfig)
    """The energy."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The base."""
    latent: LatentConfig = field(default_factory=LatentConfig)
    """How samples are drawn."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    divergence: Literal["kale", "donsker", "jensen_shannon", "reverse_kl", "pearson", "hellinger"] = "kale"
    """What the energy estimates and the base brings down: KALE, or the f-divergence of a GAN or f-GAN."""
    base: Literal["divergence", "likelihood", "frozen"] = "divergence"
    """How the base learns: by the divergence, by maximum likelihood (flows), or not at all."""
    energy_steps: int = 5
    """Updates of the energy for each one of the base."""
    energy_first: int = 100
    """Updates of the energy before each of the first two of the base, and the first of every period."""
    period: int = 500
    """Updates of the base in one period."""
    penalty: float = 1.0
    """Weight of the mean squared norm of the energy's gradient between data and base; 0 for none."""
    freeze_base_at: int = 0
    """Update from which the base is frozen and the energy alone learns, to weigh its samples; 0 for never."""
    frozen_base_penalty: float = 0.1
    """`penalty` from the update `freeze_base_at` on."""
    gradient_squash: bool = True
    """Take 2 g / (1 + g^2) for every gradient g of an energy weight, as the released code does."""
    floor: float = 10.0
    """Energies below -floor count as -floor; 0 for no floor."""
    base_rate: float = 1.0
    """Learning rate of the base over that of the energy."""

    def base_frozen(self, step: int) -> bool:
        """Whether the base has stopped to learn at an update."""
        return bool(self.freeze_base_at) and step >= self.freeze_base_at

    @property
    def claims_density(self) -> bool:
        """Whether the base is a flow: other generators have no density of their own."""
        return self.generator.name == "flow"

    def __post_init__(self) -> None:
        require_choices(self, "gebm")
        require_positive(energy_steps=self.energy_steps, period=self.period, base_rate=self.base_rate)
        numbers = ("energy_first", "penalty", "freeze_base_at", "frozen_base_penalty", "floor")
        require_not_negative(**{k: getattr(self, k) for k in numbers})
        if self.base == "likelihood" and self.generator.name != "flow":
            raise UsageError(
                f"base is likelihood, but a generator '{self.generator.name}' has no density: set "
                "generator.name to flow, or base to divergence"
            )
        if self.net.classes:
            raise UsageError("the Generalized EBM is unconditional: set net.classes to 0, or use igebm")


CONFIG = GEBMConfig
