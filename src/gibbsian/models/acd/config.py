"""Settings of adversarial contrastive divergence (VERA), and of the plain adversarial game. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig, GeneratorConfig


@dataclass(frozen=True)
class ACDConfig:
    """One game: an energy, and a generator with an entropy term that samples it."""

    net: AnyNet = field(default_factory=ConvConfig)
    """The energy."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The mean g of the generator."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=10, step_size=2.0, noise=0.01))
    """The chain that refines samples, after training; see `refine`. Where entropy_weight is above 0 its noise
    is that of this temperature, sqrt(entropy_weight step_size), whatever chain.noise says."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    entropy_weight: float = 1e-4
    """w of E_q[E] - w H(q), and the temperature of the energy; 0 is the plain adversarial game."""
    particles: int = 20
    """Latents in one estimate of the entropy's gradient."""
    width: float = 0.1
    """Posterior width of a latent given x, at first; learnt."""
    spread: float = 1.4
    """Spread of the particles in units of `width`: 1 in VERA; the root of 2 has less bias."""
    width_rate: float = 30.0
    """Learning rate of the logarithm of `width` over that of the energy."""
    sigma: float = 0.1
    """Noise of the generator at first; learnt."""
    sigma_low: float = 0.01
    """Least noise; equal to `sigma_high` for a noise that is not learnt."""
    sigma_high: float = 0.3
    """Most noise."""
    penalty: float = 0.1
    """Weight of the penalty on the energy's slope; 0 for none."""
    penalty_on: Literal["data", "between"] = "data"
    """data: half the mean |grad E|^2 at the data (VERA, .1); between: mean |grad E|^2 on segments from data
    to the generator's points (as in GEBM; 10 for images)."""
    energy_steps: int = 1
    """Updates of the energy for each one of the generator."""
    base_rate: float = 1.0
    """Learning rate of the generator over that of the energy."""
    refine: bool = False
    """Refine samples by `chain`; else the generator alone draws them."""
    output: Literal["sample", "mean"] = "sample"
    """The generator's draws: g(z) + sigma eps, or g(z)."""

    @property
    def claims_density(self) -> bool:
        """Whether nothing but the entropy's weight w bends E, so that E/w is to be -log p(x) + const."""
        return self.entropy_weight > 0 and self.penalty == 0

    def __post_init__(self) -> None:
        require_choices(self, "acd")
        require_positive(
            **{
                k: getattr(self, k)
                for k in ("width", "spread", "width_rate", "sigma_low", "energy_steps", "base_rate")
            }
        )
        require_not_negative(entropy_weight=self.entropy_weight, penalty=self.penalty)
        if not self.sigma_low <= self.sigma <= self.sigma_high < float("inf"):
            raise UsageError(
                f"sigma is {self.sigma}: it must lie between sigma_low {self.sigma_low} and sigma_high "
                f"{self.sigma_high}"
            )
        if self.particles < 2:
            raise UsageError(f"particles is {self.particles}: it must be at least 2; VERA takes 20")
        if self.net.classes:
            raise UsageError("adversarial contrastive divergence is unconditional: set net.classes to 0")
        if self.entropy_weight and self.generator.norm == "batch":
            raise UsageError(
                "generator.norm is batch, which ties the points of a batch, so that q(z | x) of the entropy "
                "term is undefined: set generator.norm to none, or entropy_weight to 0"
            )


CONFIG = ACDConfig
