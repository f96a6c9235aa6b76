"""What a variational autoencoder is made of and how it is trained, as plain values. No torch.

`nets.vae.VAE(event_shape, config, low, high)` makes the module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive
from .net import Activation


@dataclass(frozen=True)
class VAEConfig:
    """Family, latents, objective and training of a VAE; raises `UsageError` for values out of range."""

    name: Literal["mlp", "conv"] = "mlp"
    """Dense layers, which are quickest on a CPU up to 28x28, or convolutions (images only)."""
    kind: Literal["plain", "beta_tc", "factor"] = "plain"
    """Objective: the ELBO, its total correlation weighted by beta, or a critic's estimate of it by gamma."""
    groups: tuple[int, ...] = (16,)
    """Length of each latent group from the top down; the first has prior N(0, I), the others depend on it."""
    hidden: tuple[int, ...] = (512, 256)
    """Widths of the encoder's dense layers; the decoder's are the reverse."""
    channels: tuple[int, ...] = (32, 64)
    """Feature maps of the encoder's convolutions, each of which halves the side (conv)."""
    conditional: int = 128
    """Width of the layer behind each posterior, and each prior but the first, of a hierarchy."""
    activation: Activation = "swish"
    """Nonlinearity."""
    noise: Literal["scalar", "pixel", "fixed"] = "scalar"
    """Standard deviation of the decoder: one learned number, one for each value of x, or `sigma` as it is."""
    sigma: float = 0.3
    """That standard deviation, in units of the data: at the start (scalar, pixel) or always (fixed)."""
    floor: float = 0.01
    """Lower bound of a learned standard deviation."""
    beta: float = 1.0
    """Weight of the KL terms (plain, factor) or of the total correlation alone (beta_tc)."""
    gamma: float = 10.0
    """Weight of the critic's estimate of the total correlation (factor)."""
    kl_warmup: int = 0
    """Updates over which the weight of the KL terms rises from 0."""
    steps: int = 2000
    """Updates of stage one; afterwards the VAE is frozen."""
    rate: float = 1.0
    """Its learning rate as a multiple of train.lr; it falls by a cosine to 0 over stage one."""
    critic_hidden: tuple[int, ...] = (256, 256)
    """Widths of the critic of the total correlation (factor)."""

    def __post_init__(self) -> None:
        require_choices(self, "vae")
        names = ("sigma", "floor", "rate", "steps", "conditional")
        require_positive(**{f"vae.{k}": getattr(self, k) for k in names})
        require_not_negative(**{f"vae.{k}": getattr(self, k) for k in ("beta", "gamma", "kl_warmup")})
        for what in ("groups", "hidden", "channels", "critic_hidden"):
            if not getattr(self, what) or min(getattr(self, what)) < 1:
                raise UsageError(f"vae.{what} is {getattr(self, what)}: give entries of at least 1")
        if self.noise != "fixed" and self.sigma <= self.floor:
            raise UsageError(
                f"vae.sigma is {self.sigma}: a learned one must start above vae.floor {self.floor}"
            )
        if self.kind != "plain" and len(self.groups) > 1:
            raise UsageError(
                f"vae.groups is {self.groups}, but the total correlation of '{self.kind}' is that of one "
                "group: give one, such as (10,), or kind 'plain'"
            )

    @property
    def latent(self) -> int:
        """Length of all groups together."""
        return sum(self.groups)

    def kl_weight(self, step: int) -> float:
        """Factor on the KL terms at an update, from its warm-up."""
        return min(1.0, (step + 1) / self.kl_warmup) if self.kl_warmup else 1.0
