"""Drawing latents: from settings to the kernel of a chain, shared by the systems whose chains move latents."""

from __future__ import annotations

from ..core.errors import UsageError
from ..mcmc.base import Kernel
from ..mcmc.hmc import HMC
from ..mcmc.independent import IndependentMH
from ..mcmc.langevin import Langevin
from ..mcmc.mala import MALA
from ..mcmc.underdamped import Underdamped
from ..mcmc.wrap import Scheduled
from ..noise.schedule import Staircase
from ..recipes.latent import LatentConfig


def latent_kernel(config: LatentConfig) -> Kernel:
    """The kernel that `config` describes, at temperature 1; raises `UsageError` for draws without a chain."""
    s = config.step_size
    if config.kernel == "kinetic":
        return Underdamped(s, config.friction, splitting=config.splitting)
    if config.kernel == "mala":
        return MALA(s)
    if config.kernel == "hmc":
        return HMC(s, config.leapfrogs)
    if config.kernel == "independent":
        return IndependentMH()
    if config.kernel == "langevin":
        return _langevin(config)
    raise UsageError(
        f"latent.kernel '{config.kernel}' draws without a chain: choose langevin, kinetic, mala or hmc"
    )


def _langevin(config: LatentConfig) -> Kernel:
    plain = Langevin(config.step_size)
    if config.shrink == 1:
        return plain
    return Scheduled(plain, step_size=Staircase(config.step_size, config.shrink, config.shrink_every))
