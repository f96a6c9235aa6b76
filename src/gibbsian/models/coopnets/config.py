"""Settings of cooperative networks. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig, GeneratorConfig
from ...objectives.settings import LossConfig


@dataclass(frozen=True)
class CoopNetsConfig:
    """One pair: a generator that starts chains, an energy that refines them."""

    net: AnyNet = field(default_factory=ConvConfig)
    """The energy (the papers' descriptor)."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The generator."""
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=15, step_size=2.0, noise=0.01))
    """The refining chain of training."""
    sample: ChainConfig | None = None
    """The refining chain of sampling; none for that of training."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    reference_sigma: float = 0.0
    """Standard deviation of the energy's Gaussian reference measure; 0 for a uniform one."""
    sigma: float = 0.3
    """Noise of the generator, x = g(z) + sigma eps: the scale of its squared error."""
    noisy_start: bool = False
    """Begin chains at g(z) + sigma eps in place of g(z)."""
    infer_steps: int = 0
    """Langevin steps on z towards its posterior given the refined x, before the generator learns."""
    infer_step_size: float = 0.01
    """Their s, z' = z - (s/2) grad U + sqrt(s) xi."""
    base_rate: float = 1.0
    """Learning rate of the generator over that of the energy."""

    def __post_init__(self) -> None:
        require_positive(sigma=self.sigma, infer_step_size=self.infer_step_size, base_rate=self.base_rate)
        require_not_negative(reference_sigma=self.reference_sigma, infer_steps=self.infer_steps)
        if self.reference_sigma and not self.chain.noise:
            raise UsageError("a Gaussian reference needs a temperature: set chain.noise above 0")
        if self.net.classes:
            raise UsageError("cooperative networks are unconditional: set net.classes to 0, or use igebm")

    @property
    def sampling(self) -> ChainConfig:
        """The chain that refines samples."""
        return self.sample or self.chain


CONFIG = CoopNetsConfig
