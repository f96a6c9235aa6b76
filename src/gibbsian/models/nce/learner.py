"""Noise-contrastive estimation: an energy and its log Z, learnt by telling data from noise of a known
density.

    h(x) = -E(x) - c - log q(x) - log nu,   min -mean_p log sigmoid(h) - nu mean_q log sigmoid(-h)
    at the optimum E + c = -log p, so that c is log Z and exp(-E - c) is normalised

(M. Gutmann, A. Hyvärinen, JMLR 13, 2012.) No chains in training. What limits it is q: noise that is told
from data at a glance teaches nothing more, which is why it serves points and tables and hardly images. q is

    gaussian   of the data's mean and covariance, from the first `noise.updates` batches, then fixed
    uniform    on a box
    flow       trained by maximum likelihood alongside, after a lead (R. Gao et al., CVPR 2020, arXiv
               1912.00589, train it against the energy instead)

With `noise_is_base` the density is q exp(-net): q is the base of the model. The objectives ranking and
conditional (see `objectives.nce`) learn E without c. Samples: a chain at temperature 1 from draws of q.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...data.dataset import Dataset
from ...energies.reference import Box
from ...mcmc.langevin import Langevin
from ...mcmc.mala import MALA
from ...nets.density import BoxDensity, Density, FlowDensity, GaussianDensity
from ...nets.frozen import frozen
from ...objectives.nce import conditional_nce, log_partition, nce, ranking
from ..chain_sampler import ChainSampler
from ..contrastive import energies_of_both
from ..data_noise import noised_data
from ..learner import Learner
from ..net_energy import LogPartition, NetEnergy
from ..networks import energy_net
from ..sampler import Stages
from .config import NCEConfig

KERNELS: dict[str, type[MALA] | type[Langevin]] = {"mala": MALA, "langevin": Langevin}
DRAWS, CHUNK = 10_000, 1000


def build(
    config: NCEConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> NCE:
    """The learner of an energy network, its log-partition and the density of the noise."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
        noise = _noise_density(config, event_shape)
    model = NetEnergy(net, spec, base=_base(config, noise), log_partition=LogPartition())
    model.noise = noise
    model.samplers["default"] = NoiseChain(model, config, KERNELS[config.chain.kernel])
    return NCE(config, model, noise)


@dataclass(frozen=True, eq=False)
class MinusLog:
    """-log q(x), `(B,)`, of a density q."""

    density: Density

    def __call__(self, x: Position) -> Tensor:
        return -self.density.log_density(cast(Tensor, x))

    def rows(self, index: object) -> MinusLog:
        """Itself: nothing in it belongs to single chains."""
        return self


class NoiseChain(ChainSampler):
    """A chain from draws of the noise, and what its draws tell of log Z."""

    def __init__(self, model: NetEnergy, config: NCEConfig, kernel: type[MALA] | type[Langevin]) -> None:
        self.model: NetEnergy = model
        self.kernel, self.steps = kernel(config.chain.step_size), config.chain.steps
        self.learns_partition = config.objective == "binary"

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The chain."""
        self.model.spec.refuse_labels(y)
        yield self.stage(self.noise.draw(n, rng), None, steps)

    @property
    def noise(self) -> Density:
        """The density of the noise, a module of the model."""
        return cast(Density, self.model.noise)

    @torch.no_grad()
    def extra_metrics(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """Nats: `log_likelihood` of data `x`, and log Z as learnt, `log_partition`, and by 10,000 draws of
        the noise, `log_partition_importance`.

        The likelihood takes c, or the draws where the objective learns none; it is a claim of the model and
        right only as far as its log Z is.
        """
        energy = self.model.conditioned()
        with frozen(self.model):
            drawn = [self.noise.draw(CHUNK, rng) for _ in range(DRAWS // CHUNK)]
            e_neg = torch.cat([energy(part) for part in drawn])
            log_q = torch.cat([self.noise.log_density(part) for part in drawn])
            importance = float(log_partition(e_neg, log_q))
            mean = float(torch.cat([energy(part) for part in x.split(CHUNK)]).mean())
        c = cast(LogPartition, self.model.log_partition).c
        learnt = {"log_partition": float(c)} if self.learns_partition else {}
        log_z = learnt.get("log_partition", importance)
        return {"log_likelihood": -mean - log_z, **learnt, "log_partition_importance": importance}


class NCE(Learner):
    """First the noise alone, then the energy, and c from the same numbers."""

    config: NCEConfig
    model: NetEnergy

    def __init__(self, config: NCEConfig, model: NetEnergy, noise: Density) -> None:
        super().__init__(config, model)
        self.begun: Tensor
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    @property
    def noise(self) -> Density:
        """The density of the noise, a module of the model, whose chains begin there."""
        return cast(Density, self.model.noise)

    @property
    def log_z(self) -> LogPartition:
        """c, with an optimiser of its own."""
        return cast(LogPartition, self.model.log_partition)

    def setup(self, data: Dataset) -> None:
        """In bfloat16, chains go without their Metropolis test, which would be one of rounding."""
        if self.options.precision == "bf16":
            self.model.samplers["default"] = NoiseChain(self.model, self.config, Langevin)

    def reset_training_state(self) -> None:
        """Fit the noise to the new data, and c to the new noise."""
        self.begun.zero_()
        if isinstance(self.noise, GaussianDensity):
            self.noise.forget()

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The energy; c where the objective learns it; the noise where it is a flow."""
        found: dict[str, nn.Module] = {"energy": self.model.net}
        if self.config.objective == "binary":
            found["log_partition"] = self.log_z
        return {**found, "noise": self.noise} if self.config.noise.distribution == "flow" else found

    def milestones(self) -> tuple[int, ...]:
        """Where the noise has its lead and the energy begins."""
        lead = self.config.noise.lead
        return (lead,) if lead else ()

    def lr_multiplier(self, group: str, step: int) -> float:
        """`partition_rate` for c."""
        return self.config.partition_rate if group == "log_partition" else 1.0

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The noise's likelihood where it is a flow; after its lead the contrast."""
        x = noised_data(batch, self.config.pixels, rng)
        if isinstance(self.noise, FlowDensity):
            yield "noise", Loss(-self.noise.log_density(x).mean())
        if self.planned(step) < self.config.noise.lead:
            if isinstance(self.noise, GaussianDensity):
                self.noise.update(x)
            return
        yield from self._contrast(x, rng)

    def _contrast(self, x: Tensor, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        if self.config.objective != "conditional" or self.config.noise_is_base:
            self._require_cover(x)
        self._begin(x)
        if self.config.objective == "conditional":
            repeated = x.repeat(self.config.noise.ratio, *[1] * (x.dim() - 1))
            moved = torch.randn(repeated.shape, generator=rng, device=x.device, dtype=x.dtype)
            e_pos, e_neg, *_ = self._energies(x, repeated + self.config.noise.sigma * moved)
            yield "energy", conditional_nce(e_pos, e_neg)
            return
        e_pos, e_neg, q_pos, q_neg = self._energies(x, self.noise.draw(self.config.noise.ratio * len(x), rng))
        if self.config.objective == "ranking":
            yield "energy", ranking(e_pos, e_neg, q_pos, q_neg)
            return
        yield "energy", nce(e_pos, e_neg, q_pos, q_neg, self.log_z.c.detach())
        yield "log_partition", nce(e_pos.detach(), e_neg.detach(), q_pos, q_neg, self.log_z.c)

    def _energies(self, x_pos: Tensor, x_neg: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """E with the base and log q, the latter without a graph, of data and of noise."""
        e_pos, e_neg = energies_of_both(self.model.net, x_pos, x_neg, precision=self.options.precision)
        with torch.no_grad():
            log_q = self.noise.log_density(torch.cat([x_pos, x_neg]))
        q_pos, q_neg = log_q[: len(x_pos)], log_q[len(x_pos) :]
        if self.config.noise_is_base:
            e_pos, e_neg = e_pos - q_pos, e_neg - q_neg
        return e_pos, e_neg, q_pos, q_neg

    def _require_cover(self, x: Tensor) -> None:
        if isinstance(self.noise, BoxDensity) and bool((self.noise.log_density(x) == -torch.inf).any()):
            raise UsageError(
                f"data reach {float(x.amin()):.3g} and {float(x.amax()):.3g}, beyond the box of the noise, "
                f"{self.noise.low:.3g} to {self.noise.high:.3g}: set pixels.low and high, or noise.widen"
            )

    @torch.no_grad()
    def _begin(self, x: Tensor) -> None:
        """Once: fix the Gaussian, and take c from where data and noise look alike, mean h = -log nu."""
        if bool(self.begun):
            return
        self.begun.fill_(True)
        if isinstance(self.noise, GaussianDensity):
            self.noise.settle()
        if self.config.objective == "binary":
            e, _, log_q, _ = self._energies(x, x[:0])
            self.log_z.c.copy_(-(e + log_q).mean())


def _noise_density(config: NCEConfig, event_shape: tuple[int, ...]) -> Density:
    noise, pixels = config.noise, config.pixels
    if noise.distribution == "gaussian":
        return GaussianDensity(event_shape, noise.ridge)
    if noise.distribution == "uniform":
        return BoxDensity(event_shape, pixels.low, pixels.high, noise.widen)
    return FlowDensity(event_shape, config.flow)


def _base(config: NCEConfig, noise: Density) -> MinusLog | Box | None:
    """The noise where it is the base; the wall of uniform noise, beyond which E has met nothing."""
    if config.noise_is_base:
        return MinusLog(noise)
    met = config.objective != "conditional"
    return Box(noise.low, noise.high) if met and isinstance(noise, BoxDensity) else None
