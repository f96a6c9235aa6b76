"""A generator tilted by an energy (M. Arbel, L. Zhou, A. Gretton, 2021, arXiv 2003.05033).

    x = G(z), z ~ N(0, I)                   the base: where the data can be
    Q(dx) = exp(-E(x) - A) G(dx)            the model: how much of it is where,  A = log mean_G exp(-E)

Samples are exact in latents: z ~ N(0, I) exp(-beta E(G(z))), x = G(z). beta = 1 is the model; the paper's
figures use beta = 100, which is sharper. With a flow as base the model has a density, log q(x) = log g(x) -
E(x) - A.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position
from ...core.spec import DataSpec
from ...energies.context import single
from ...energies.latent import PullBack
from ...mcmc.settings import LatentConfig
from ...nets.frozen import frozen
from ...nets.generator import FlowGenerator
from ...objectives.divergence import kale, log_mean_exp
from ..latent import CHUNK, LatentSampler, energies, sharpened
from ..model import EnergyModel


class PartitionedEnergy(nn.Module):
    """The energy network and c, the learnt log-partition: one group of parameters, one optimiser."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.log_partition = nn.Parameter(torch.zeros(()))


class TiltedGenerator(EnergyModel):
    """Base generator, energy on its support, log-partition; samples from its latents.

    Args:
        net: the energy, of data `(B, *event)`, relative to the base.
        generator: maps latents `(B, latent)` to data `(B, *event)`.
        spec: shape and range of the data, without labels.
        latent: how the default sampler draws latents.
        floor: energies below -floor count as -floor; 0 for no floor.
        name: the kind of generator; only a "flow" has a density.
    """

    one_latent = True
    section = "latent"

    def __init__(
        self,
        net: nn.Module,
        generator: nn.Module,
        spec: DataSpec,
        latent: LatentConfig,
        *,
        floor: float = 0.0,
        name: str = "mlp",
    ) -> None:
        super().__init__(spec)
        self.learnt, self.generator = PartitionedEnergy(net), generator
        self.latent, self.floor, self.name = latent, floor, name
        self.samplers["default"] = self.sampler_with(latent)
        self.samplers["base"] = self.sampler_with(LatentConfig(kernel="none"))

    @property
    def net(self) -> nn.Module:
        """The energy network."""
        return self.learnt.net

    @property
    def log_partition(self) -> Tensor:
        """c, the learnt log-partition, a scalar."""
        return self.learnt.log_partition

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), shape `(B,)`, relative to the base; not below -floor."""
        self.spec.refuse_labels(y)
        e: Tensor = self.net(x)
        return torch.relu(e + self.floor) - self.floor if self.floor else e

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """-log q(x) = E(x) + c - log g(x) with a flow; else E(x), which compares with the base only."""
        if self.name != "flow":
            return self.energy(x, y)
        return self.energy(x, y) + self.log_partition.detach() - self.base_log_density(single(x))

    def base_log_density(self, x: Tensor) -> Tensor:
        """log g(x) in nats, shape `(B,)`; raises `UsageError` unless the base is a flow."""
        if self.name != "flow":
            raise UsageError(f"a generator '{self.name}' has no density: train with generator.name flow")
        return cast(FlowGenerator, self.generator).log_density(x)

    # -- drawing ------------------------------------------------------------------------------------

    def sampler_with(self, latent: LatentConfig) -> LatentSampler:
        """Latents by other settings than the model's own."""
        return LatentSampler(self, latent)

    def energy_on_latents(self, beta: float = 1.0) -> PullBack:
        """beta E(G(z)) without the prior."""
        return PullBack(sharpened(self.energy, beta), self.generator, prior=False)

    def potential(self, beta: float = 1.0) -> PullBack:
        """U(z) = beta E(G(z)) + |z|^2 / 2, whose exp(-U) latents are to follow."""
        return PullBack(sharpened(self.energy, beta), self.generator)

    def prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents of the base, N(0, I), shape `(n, latent)`."""
        return torch.randn(n, cast(int, self.generator.latent), generator=rng, device=rng.device)

    def generated(self, position: Position) -> Tensor:
        """G(z)."""
        with torch.no_grad():
            return torch.cat([cast(Tensor, self.generator(z)) for z in cast(Tensor, position).split(CHUNK)])

    # -- measures -----------------------------------------------------------------------------------

    @torch.no_grad()
    def base_energies(self, n: int, rng: torch.Generator) -> Tensor:
        """E of `n` base samples, shape `(n,)`."""
        with frozen(self):
            return energies(self.energy_on_latents(), self.prior(n, rng))

    def extra_metrics(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """KALE of data `x`, c less the log-partition A, and the log-likelihood with a flow, in nats.

        A is that of 10,000 base samples.
        """
        e_base = self.base_energies(10 * CHUNK, rng)
        with frozen(self), torch.no_grad():
            e_pos = torch.cat([self.energy(part) for part in x.split(CHUNK)])
            error = float(self.log_partition - log_mean_exp(-e_base))
            found = {"kale": float(kale(e_pos, e_base)), "log_partition_error": error}
            if self.name == "flow":
                found["log_likelihood"] = error - float(self.neg_log_prob(x).mean())
        return found
