"""Chains on the latents of a generator: see `mcmc.settings`. No torch."""

from ..mcmc.settings import LatentConfig

__all__ = ["LatentConfig"]
