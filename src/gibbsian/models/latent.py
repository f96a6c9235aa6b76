"""Drawing latents by settings: a chain on latents, or draws from the prior that are weighed or tested.

    target   p(z) ~ N(z; 0, I) exp(-beta E(G(z)))

`energy_on_latents` is E(G(z)), `(B,)`, and `prior(n, rng)` draws z ~ N(0, I).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, cast

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import GibbsianError
from ..core.position import Position
from ..core.spec import DataSpec
from ..energies.algebra import Tempered
from ..energies.latent import PullBack
from ..mcmc.importance import resample
from ..mcmc.kernels import kernel_of
from ..mcmc.langevin import Langevin
from ..mcmc.rejection import acceptance
from ..mcmc.settings import LatentConfig
from .sampler import ChainStage, Sampler, Stages

Prior: TypeAlias = Callable[[int, torch.Generator], Position]
CHUNK = 1000
ROUNDS = 100


class LatentModel(Protocol):
    """What a sampler of latents needs of a model; with `one_latent` they may be drawn without a chain."""

    one_latent: bool
    spec: DataSpec

    def energy_on_latents(self, beta: float = 1.0) -> PullBack:
        """beta E(G(z)) without the prior."""

    def potential(self, beta: float = 1.0) -> Energy:
        """U(z), whose exp(-U) latents are to follow at temperature 1."""

    def prior(self, n: int, rng: torch.Generator) -> Position:
        """Latents N(0, I)."""

    def generated(self, position: Position) -> Tensor:
        """Data `(n, *event_shape)` of latents."""


class LatentSampler(Sampler):
    """Latents by settings. Draws without a chain are for models of one latent: others refuse them.

    Args:
        model: has the generator, the prior and the energy on latents.
        latent: the kernel, its numbers and the inverse temperature beta.
        moves: whether chains make steps; without, samples are the points where they would begin.
        start: `start(n, rng)` draws the latents where chains begin; by default the prior's.
    """

    def __init__(
        self, model: LatentModel, latent: LatentConfig, *, moves: bool = True, start: Prior | None = None
    ) -> None:
        self.model, self.latent, self.moves, self.start = model, latent, moves, start or model.prior

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """One stage, of no steps where latents are drawn without a chain."""
        self.model.spec.refuse_labels(y)
        model, latent = self.model, self.latent
        on_latents = model.energy_on_latents(latent.beta)
        energy = model.potential(latent.beta)
        if latent.kernel in DRAWS and model.one_latent:
            z = DRAWS[latent.kernel](model.energy_on_latents(), self.start, latent, n, rng)
            yield ChainStage(energy, Langevin(latent.step_size), 0, z, on_latents)
        else:
            count = (steps or latent.steps) if self.moves else 0
            yield ChainStage(energy, kernel_of(latent), count, self.start(n, rng), on_latents)

    def decode(self, position: Position) -> Tensor:
        """Data of latents."""
        return self.model.generated(position)


@torch.no_grad()
def energies(energy: Energy, z: Tensor) -> Tensor:
    """`energy` at many latents, a thousand at a time, `(B,)`."""
    return torch.cat([energy(part) for part in z.split(CHUNK)])


def unweighted(energy: Energy, prior: Prior, latent: LatentConfig, n: int, rng: torch.Generator) -> Position:
    """`n` latents of the prior."""
    return prior(n, rng)


def resampled(energy: Energy, prior: Prior, latent: LatentConfig, n: int, rng: torch.Generator) -> Position:
    """`n` of `candidates` times as many latents, taken in proportion to exp(-beta E), in random order."""
    z = cast(Tensor, prior(latent.candidates * n, rng))
    kept = resample(-latent.beta * energies(energy, z), n, rng)
    return z[kept[torch.randperm(n, generator=rng, device=rng.device)]]


def accepted(energy: Energy, prior: Prior, latent: LatentConfig, n: int, rng: torch.Generator) -> Position:
    """`n` latents that pass discriminator rejection with log-ratio -beta E (Azadi et al. 2019).

    Raises `GibbsianError` when hardly any passes.
    """
    first = -latent.beta * energies(energy, cast(Tensor, prior(latent.candidates * CHUNK // 10, rng)))
    highest, kept = first.max(), []
    for _ in range(ROUNDS):
        z = cast(Tensor, prior(max(n, CHUNK), rng))
        log_ratio = -latent.beta * energies(energy, z)
        highest = torch.maximum(highest, log_ratio.max())
        u = torch.rand(len(z), generator=rng, device=z.device)
        kept.append(z[u < acceptance(log_ratio, highest, latent.gamma)])
        if sum(map(len, kept)) >= n:
            return torch.cat(kept)[:n]
    raise GibbsianError(
        f"rejection kept {sum(map(len, kept))} of {ROUNDS * max(n, CHUNK)} base samples, {n} were asked for: "
        "lower latent.beta or latent.gamma (-3, say), or draw by chains (latent.kernel langevin)"
    )


DRAWS = {"none": unweighted, "importance": resampled, "rejection": accepted}
"""Ways to draw without a chain."""


def sharpened(energy: Energy, beta: float) -> Energy:
    """beta E, as energies are tempered."""
    return energy if beta == 1 else Tempered(energy, 1 / beta)
