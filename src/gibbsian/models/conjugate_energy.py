"""An energy whose latents integrate out: E(x) = -log int exp <t(x), eta(z)> p(z) dz, with p(z | x) in closed
form (H. Wu et al., ICML 2021, arXiv 2106.13798).

The posterior belongs to exp(-E) at temperature 1. A colder chain samples a sharpened distribution of x; the
posterior of a given x is not touched by that.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.spec import DataSpec
from ..energies.conditional import Given
from ..energies.conjugate import Conjugate, Point, Posterior
from ..mcmc.base import Kernel
from ..nets.frozen import frozen
from ..starts.base import Start
from .model import EnergyModel
from .sampler import ChainStage, Sampler, Stages


class ConjugateEnergy(EnergyModel):
    """Sufficient statistics of x and a conjugate prior of the latents.

    Args:
        net: the `Conjugate` of both.
        spec: shape and range of the data, without labels.
        latent: number of latents L.
        temperature: T of the training chains on E(x); the posterior is exact at 1.
    """

    def __init__(self, net: Conjugate, spec: DataSpec, latent: int, *, temperature: float = 1.0) -> None:
        super().__init__(spec, temperature)
        self.net, self.latent = net, latent

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), shape `(B,)`."""
        self.spec.refuse_labels(y)
        e: Tensor = self.net(x)
        return e

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x)/T, shape `(B,)`; T = 0 counts as 1."""
        return self.energy(x, y) / (self.temperature or 1.0)

    def given(self, z: Tensor) -> Energy:
        """x -> E(x | z) = -<t(x), eta(z)>, for chains; z is `(B, L)`, or `(1, L)` for all chains.

        Raises `UsageError` for latents of another size.
        """
        if z.dim() != 2 or z.shape[1] != self.latent:
            raise UsageError(f"z has shape {tuple(z.shape)}: give (B, {self.latent})")
        return Given(self.net.conditional, z)

    @torch.no_grad()
    def posterior(self, x: Tensor) -> Posterior:
        """p(z | x) of data `(B, *event)`, exact at temperature 1: moments, responsibilities, draws."""
        return self.net.posterior(x)

    def latents(self, x: Tensor, kind: Point = "component", *, chunk: int = 1000) -> Tensor:
        """One latent a point, `(B, L)`, for use elsewhere; `chunk` points at a time, in eval mode.

        The posterior mean with a Gaussian prior. With a mixture, the mean of the likeliest component, as in
        the paper, or with `kind` "mean" that of the whole posterior.
        """
        with frozen(self):
            return torch.cat([self.posterior(part).point(kind) for part in x.split(chunk)])


class GivenLatents(Sampler):
    """A chain on E(x | z) from noise.

    Args:
        model: gives E(x | z).
        kernel: makes the steps, at the model's temperature.
        steps: number of steps by default.
        start: where the chains begin.
        z: latents `(n, L)`, or one of `(1, L)` for all chains. None draws them from the prior. That is not
            their distribution under the model, which weighs them by the unknown Z(z); latents of data,
            `posterior(x).draw(rng)`, are the better ones to give.
    """

    def __init__(
        self, model: ConjugateEnergy, kernel: Kernel, steps: int, start: Start, z: Tensor | None = None
    ) -> None:
        self.model, self.kernel, self.steps, self.start, self.z = model, kernel, steps, start, z
        self.temperature = model.temperature

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The chain; raises `UsageError` for another number of chains than of latents."""
        self.model.spec.refuse_labels(y)
        if self.z is not None and len(self.z) not in (1, n):
            raise UsageError(f"{n} chains from {len(self.z)} latents: draw as many at a time as there are")
        z = self.model.net.prior.draw(n, rng) if self.z is None else self.z
        start = self.start.draw(n, rng).position
        yield ChainStage(self.model.given(z), self.kernel, steps or self.steps, start)
