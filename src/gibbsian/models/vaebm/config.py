"""Settings of VAEBM. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative
from ...data.settings import PixelConfig
from ...mcmc.settings import LatentConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig, VAEConfig
from ...objectives.settings import LossConfig

KERNELS = ("langevin", "kinetic", "mala", "hmc")


@dataclass(frozen=True)
class BufferConfig:
    """Stored noise of the latents, from which a growing share of the training chains goes on."""

    step_counted: ClassVar[tuple[str, ...]] = ("anneal",)
    capacity: int = 10_000
    """Chains in the buffer."""
    share: float = 0.6
    """Final probability that a chain goes on from a stored one; 0 starts all of them from N(0, I)."""
    anneal: int = 5000
    """Updates of stage two over which that probability rises from 0."""

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.anneal < 1:
            raise UsageError(
                f"buffer of {self.capacity} annealed over {self.anneal}: both must be at least 1"
            )
        if not 0 <= self.share <= 1:
            raise UsageError(f"buffer.share is {self.share}: a probability lies in [0, 1]; the paper uses .6")

    def probability(self, update: int) -> float:
        """Probability that a chain goes on from a stored one at an update of stage two (from 0)."""
        return min(self.share, self.share * update / self.anneal)


@dataclass(frozen=True)
class VAEBMConfig:
    """One VAEBM: a VAE, an energy that tilts it, chains on the noise of both latents and data."""

    net: AnyNet = field(default_factory=ConvConfig)
    """The energy."""
    vae: VAEConfig = field(default_factory=VAEConfig)
    chain: LatentConfig = field(default_factory=lambda: LatentConfig(steps=10, step_size=0.01))
    """The training chain on the noise (eps_z, eps_x)."""
    sample: LatentConfig | None = None
    """The sampling chain; none for the training chain."""
    buffer: BufferConfig = field(default_factory=BufferConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    spectral: float = 0.2
    """Weight of the sum of the energy's largest singular values; where spectral norm makes them 1 it does
    nothing."""
    l2: float = 0.0
    """Weight decay of the energy within Adam, as the released code has it: this times the weights joins their
    gradient. train.weight_decay acts apart from the gradient, and on the VAE too."""
    energy_on: Literal["x", "xz"] = "x"
    """What the energy sees: data alone, or data and latents."""
    potential: Literal["reparametrised", "released"] = "reparametrised"
    """U = E + |eps|^2 / 2, whose density is the model; or the released code's, without the Jacobian."""
    negatives: Literal["sample", "mean"] = "sample"
    """What the energy is raised at: the decoder's draw where a chain ended, or its mean."""
    output: Literal["sample", "mean"] = "mean"
    """What sampling returns there."""

    def __post_init__(self) -> None:
        require_choices(self, "vaebm")
        require_not_negative(spectral=self.spectral, l2=self.l2)
        for name, latent in (("chain", self.chain), ("sample", self.sample)):
            if latent is not None and latent.kernel not in KERNELS:
                raise UsageError(
                    f"{name}.kernel is '{latent.kernel}', no chain on tuples: use {', '.join(KERNELS)}"
                )
        if self.chain.beta != 1:
            raise UsageError(f"chain.beta is {self.chain.beta}: training needs the model itself, set it to 1")
        if self.net.classes:
            raise UsageError("VAEBM is unconditional: set net.classes to 0, or use igebm")

    @property
    def claims_density(self) -> bool:
        """Whether chains are those of the energy on x tilting the VAE, of which E is the log-ratio."""
        exact = self.potential == "reparametrised" and self.negatives == "sample"
        return exact and self.energy_on == "x"

    @property
    def sampling(self) -> LatentConfig:
        """The chain that draws samples."""
        return self.sample or self.chain


CONFIG = VAEBMConfig
