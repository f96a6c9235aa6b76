"""Noise-contrastive estimation: an energy and its log Z, learnt by telling data from noise of a known law.

    h(x) = -E(x) - c - log q(x) - log nu,   min -mean_p log sigmoid(h) - nu mean_q log sigmoid(-h)
    at the optimum E + c = -log p, so that c is log Z and exp(-E - c) is normalised

(M. Gutmann, A. Hyvärinen, JMLR 13, 2012.) No chains in training. What limits it is q: noise that is told
from data at a glance teaches nothing more, which is why it serves points and tables and hardly images. q is

    gaussian   of the data's mean and covariance, from the first `noise.updates` batches, then fixed
    uniform    on a box
    flow       trained by maximum likelihood alongside, after a lead (R. Gao et al., CVPR 2020, arXiv
               1912.00589, train it against the energy instead)

With `tilt` the energy is net(x) - log q(x): the base q tilted by the network. The objectives ranking and
conditional (see `objectives.nce`) learn E without c. Samples: a chain at temperature 1 from draws of q.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..energies.reference import Box
from ..mcmc.langevin import Langevin
from ..mcmc.mala import MALA
from ..nets.build import build
from ..nets.density import BoxDensity, Density, FlowDensity, GaussianDensity
from ..objectives.nce import conditional_nce, log_partition, nce, ranking
from ..recipes.nce import NCEConfig
from .base import Handed, Leg, Plan, System
from .frozen import frozen
from .phases import paired, positives

KERNELS: dict[str, type[MALA] | type[Langevin]] = {"mala": MALA, "langevin": Langevin}
DRAWS, CHUNK = 10_000, 1000


class LogPartition(nn.Module):
    """c, the learnt log Z: one number with an optimiser of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.zeros(()))


class NCE(System):
    """Energy network, log-partition and noise law; matched at temperature 1."""

    config: NCEConfig
    counted = ("noise.updates",)

    def __init__(self, config: NCEConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
            self.noise = _noise_law(config, event_shape)
        self.log_z = LogPartition()
        self.begun: Tensor
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        noise, met = self.noise, self.config.objective != "conditional"
        self.wall = Box(noise.low, noise.high) if met and isinstance(noise, BoxDensity) else None
        self.temperature, self.matched = 1.0, True

    def begin_anew(self) -> None:
        """Fit the noise to the new data, and c to the new noise."""
        self.begun.zero_()
        if isinstance(self.noise, GaussianDensity):
            self.noise.forget()

    def groups(self) -> dict[str, nn.Module]:
        """The energy; c where the objective learns it; the noise where it is a flow."""
        found: dict[str, nn.Module] = {"energy": self.net}
        if self.config.objective == "binary":
            found["log_partition"] = self.log_z
        return {**found, "noise": self.noise} if self.config.noise.law == "flow" else found

    def stages(self) -> tuple[int, ...]:
        """Where the noise has its lead and the energy begins."""
        lead = self.config.noise.lead
        return (lead,) if lead else ()

    def rate(self, group: str, step: int) -> float:
        """`partition_rate` for c."""
        return self.config.partition_rate if group == "log_partition" else 1.0

    def energy(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`, without c; +inf outside the box of uniform noise, where E has met nothing."""
        e: Tensor = self.net(x)
        if self.config.tilt:
            return e - self.noise.log_density(cast(Tensor, x))
        return e + self.wall(x) if self.wall else e

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """First the noise alone, then the energy, and c from the same numbers."""
        x = positives(batch, self.config.pixels, rng)
        if isinstance(self.noise, FlowDensity):
            yield "noise", Loss(-self.noise.log_density(x).mean())
        if step < self.config.noise.lead:
            if isinstance(self.noise, GaussianDensity):
                self.noise.update(x)
            return
        yield from self._contrast(x, rng)

    def _contrast(self, x: Tensor, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        if self.config.objective != "conditional" or self.config.tilt:
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
        """E and log q, the latter without a graph, of data and of noise."""
        e_pos, e_neg = paired(self.net, x_pos, x_neg, precision=self.precision)
        with torch.no_grad():
            log_q = self.noise.log_density(torch.cat([x_pos, x_neg]))
        q_pos, q_neg = log_q[: len(x_pos)], log_q[len(x_pos) :]
        if self.config.tilt:
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

    # -- drawing ------------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain from draws of the noise."""
        _refuse(y)
        chain = self.config.chain
        kernel = Langevin if self.precision == "bf16" else KERNELS[chain.kernel]
        yield Leg(self.energy, kernel(chain.step_size), steps or chain.steps, self.noise.draw(n, rng))

    def handed(self) -> Handed:
        """E at temperature 1; refused with `tilt`, where it is the network less log q."""
        if self.config.tilt:
            raise UsageError(
                "this energy is its network less log q (tilt): train with tilt false to hand it over"
            )
        return Handed(self.net, 1.0)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return cast(Tensor, position)

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x) + c, the normalised -log density in nats, of the binary objective; E(x) of the others."""
        _refuse(y)
        return self.energy(x) + self.log_z.c.detach()

    @torch.no_grad()
    def own_measures(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """Nats: `log_likelihood` of data `x`, and log Z as learnt, `log_partition`, and by 10,000 draws of
        the noise, `log_partition_importance`.

        The likelihood takes c, or the draws where the objective learns none; it is a claim of the model and
        right only as far as its log Z is.
        """
        with frozen(self):
            drawn = [self.noise.draw(CHUNK, rng) for _ in range(DRAWS // CHUNK)]
            e_neg = torch.cat([self.energy(part) for part in drawn])
            log_q = torch.cat([self.noise.log_density(part) for part in drawn])
            importance = float(log_partition(e_neg, log_q))
            energy = float(torch.cat([self.energy(part) for part in x.split(CHUNK)]).mean())
        learnt = {"log_partition": float(self.log_z.c)} if self.config.objective == "binary" else {}
        log_z = learnt.get("log_partition", importance)
        return {"log_likelihood": -energy - log_z, **learnt, "log_partition_importance": importance}


def _noise_law(config: NCEConfig, event_shape: tuple[int, ...]) -> Density:
    noise, pixels = config.noise, config.pixels
    if noise.law == "gaussian":
        return GaussianDensity(event_shape, noise.ridge)
    if noise.law == "uniform":
        return BoxDensity(event_shape, pixels.low, pixels.high, noise.widen)
    return FlowDensity(event_shape, config.flow)


def _refuse(y: Tensor | None) -> None:
    if y is not None:
        raise UsageError("noise-contrastive estimation has no labels: leave out the label")
