"""Drawing latents by settings: the kernel of a chain, or draws from the prior that are weighed or tested.

`tilt` is E(G(z)), `(B,)`, and `prior(n, rng)` draws z ~ N(0, I); the law wanted is N(0, I) exp(-beta tilt).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import GibbsianError
from ..mcmc.base import Kernel
from ..mcmc.importance import resample
from ..mcmc.kernels import kernel_of
from ..mcmc.rejection import acceptance
from ..recipes.latent import LatentConfig
from .base import Planner

Prior: TypeAlias = Callable[[int, torch.Generator], Tensor]
CHUNK = 1000
ROUNDS = 100


@runtime_checkable
class Latent(Protocol):
    """A system whose chains move latents, which may be drawn in other ways than its own."""

    @property
    def drawing(self) -> LatentConfig:
        """How it draws them."""

    def drawn_by(self, latent: LatentConfig) -> Planner:
        """A plan by other settings."""


def latent_kernel(config: LatentConfig) -> Kernel:
    """The kernel that `config` describes, at temperature 1; raises `UsageError` for draws without a chain."""
    return kernel_of(config)


@torch.no_grad()
def energies(tilt: Energy, z: Tensor) -> Tensor:
    """`tilt` at many latents, a thousand at a time, `(B,)`."""
    return torch.cat([tilt(part) for part in z.split(CHUNK)])


def untilted(tilt: Energy, prior: Prior, latent: LatentConfig, n: int, rng: torch.Generator) -> Tensor:
    """`n` latents of the prior."""
    return prior(n, rng)


def resampled(tilt: Energy, prior: Prior, latent: LatentConfig, n: int, rng: torch.Generator) -> Tensor:
    """`n` of `candidates` times as many latents, taken in proportion to exp(-beta tilt), in random order."""
    z = prior(latent.candidates * n, rng)
    kept = resample(-latent.beta * energies(tilt, z), n, rng)
    return z[kept[torch.randperm(n, generator=rng, device=rng.device)]]


def accepted(tilt: Energy, prior: Prior, latent: LatentConfig, n: int, rng: torch.Generator) -> Tensor:
    """`n` latents that pass discriminator rejection with log-ratio -beta tilt (Azadi et al. 2019).

    Raises `GibbsianError` when hardly any passes.
    """
    first = -latent.beta * energies(tilt, prior(latent.candidates * CHUNK // 10, rng))
    highest, kept = first.max(), []
    for _ in range(ROUNDS):
        z = prior(max(n, CHUNK), rng)
        log_ratio = -latent.beta * energies(tilt, z)
        highest = torch.maximum(highest, log_ratio.max())
        u = torch.rand(len(z), generator=rng, device=z.device)
        kept.append(z[u < acceptance(log_ratio, cast(Tensor, highest), latent.gamma)])
        if sum(map(len, kept)) >= n:
            return torch.cat(kept)[:n]
    raise GibbsianError(
        f"rejection kept {sum(map(len, kept))} of {ROUNDS * max(n, CHUNK)} base samples, {n} were asked for: "
        "lower latent.beta or latent.gamma (-3, say), or draw by chains (latent.kernel langevin)"
    )


DRAWS = {"none": untilted, "importance": resampled, "rejection": accepted}
"""Ways to draw without a chain."""
