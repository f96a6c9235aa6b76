"""Improved contrastive divergence (Y. Du, S. Li, J. Tenenbaum, I. Mordatch, ICML 2021, arXiv 2012.01316).

    loss =  mean E(x_pos) - mean E(x_neg) + alpha (mean E(x_pos)^2 + mean E(x_neg)^2)
          + a mean E'(x_K)  -  b mean log min_j |x_K - b_j|

x_K, the end of a chain, is a function of the weights. The first line, plain CD, holds it fixed as x_neg; the
second also moves the weights so that chains end where E is low (E' is E with its weights held) and apart from
the stored ends b_j (a nearest-neighbour estimate of the entropy). The gradient goes through the last step

    x_K = clamp(x_{K-1} - (s/2) grad E(x_{K-1}) + noise),    d x_K / d theta = -(s/2) d grad E / d theta

with x_{K-1} held, or through all steps; where a pixel is clamped it is 0. E' runs under `frozen`, where no
parameter asks for a gradient, so that only x_K leads to the weights.

Chains start from a reservoir, an even sample of all ends so far, and stored images are augmented before they
go on. An end does not replace the one it came from, so chains grow more slowly than in a replay buffer: among
t ends the mean one has about log t chains of K steps behind it. Ends are stored in full precision (in the
released code in 8 bits, drawn with noise within a bin). Augmented chains do not sample exp(-E/T), so they
never claim a density. Nor do models whose sampler terms are on: at the data's distribution these cancel for
one ratio of their weights only (b = a D T), and bend E otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position, where
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...data.augment import augment
from ...nets.frozen import frozen
from ...nets.multiscale import build_scales
from ...objectives.improved import entropy_term, kl_term
from ...starts.base import BufferSample, Start
from ...starts.reservoir import ReservoirBuffer
from ..chain_sampler import ChainSampler, chain_kernel, chain_sampler
from ..chains import init_noise
from ..contrastive import chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..graphed import GraphedEnds, graphed_chain_ends
from ..learner import Learner
from ..net_energy import NetEnergy
from ..networks import energy_net
from ..sampler import Sampler, Stages
from .config import ENOUGH, ICDConfig


def build(
    config: ICDConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> ICD:
    """The learner of an energy network at one or more scales; `net` replaces all of them."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        if net is None and config.scales > 1:
            net = build_scales(config.net, event_shape, config.scales)
        else:
            net = energy_net(config.net, spec, net, curved=config.trains_sampler)
    model = NetEnergy(net, spec, temperature=config.chain.temperature, link=config.loss.link)
    noise = init_noise(config.start, spec)
    buffer = ReservoirBuffer(noise, config.start.capacity, rng, reinit=config.start.reinit)
    model.samplers["default"] = Mixing(model, config, noise)
    return ICD(config, model, buffer)


class Mixing(Sampler):
    """A chain from noise; with `mix`, so many training stages come first, with augmentations after each."""

    def __init__(self, model: NetEnergy, config: ICDConfig, noise: Start) -> None:
        self.config, self.noise, self.temperature = config, noise, model.temperature
        self.training = chain_sampler(model, config.chain, noise)
        self.last: ChainSampler = chain_sampler(model, config.sampling, noise)

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """`mix` stages as training makes them, an augmentation after each, then one without."""
        self.last.model.spec.refuse_labels(y)
        yield from self.stages_at(self.begin(n, rng), rng, steps)

    def begin(self, n: int, rng: torch.Generator) -> Position:
        """Where the chains begin."""
        return self.noise.draw(n, rng).position

    def stages_at(self, x: Position, rng: torch.Generator, steps: int | None) -> Stages:
        """The same from other positions."""
        for _ in range(self.config.mix):
            x = augmented(self.config, self.decode((yield self.training.stage(x, None))), rng)
        yield self.last.stage(x, None, steps)


class MixingStored(Mixing):
    """The same from stored chain ends; raises `UsageError` if fewer than asked for are stored."""

    def __init__(self, model: NetEnergy, config: ICDConfig, buffer: ReservoirBuffer) -> None:
        super().__init__(model, config, buffer)
        self.buffer = buffer

    def begin(self, n: int, rng: torch.Generator) -> Position:
        """Rows of the reservoir."""
        if n > self.buffer.filled:
            raise UsageError(
                f"asked for {n} chains of a buffer that holds {self.buffer.filled}: take fewer, or use noise"
            )
        return self.buffer.rows(n, rng)


def augmented(config: ICDConfig, x: Tensor, rng: torch.Generator) -> Tensor:
    """`x` `(B, *event)`, changed as stored images are before they go on."""
    pixels = config.pixels
    return augment(x, config.augment, rng, low=pixels.low, high=pixels.high)


class ICD(Learner):
    """Contrast of data and chain ends with the sampler's terms, through the last step or all of them."""

    config: ICDConfig
    model: NetEnergy

    def __init__(self, config: ICDConfig, model: NetEnergy, buffer: ReservoirBuffer) -> None:
        super().__init__(config, model)
        self.buffer, self.kernel = buffer, chain_kernel(model, config.chain)
        self.mean_reduced = config.loss.mean_reduced

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": self.model.net}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The contrast and the sampler's terms; then the ends enter the reservoir."""
        cfg = self.config
        drawn = self.buffer.draw(len(batch), rng)
        ends, x_end = self._ends(self._augmented(drawn, rng), rng)
        x_pos = noised_data(batch, cfg.pixels, rng)
        e_pos, e_neg = energies_of_both(self.model.energy, x_pos, ends.x, precision=self.options.precision)
        yield "energy", contrastive_loss(e_pos, e_neg, cfg.loss, ends) + self._sampler_terms(x_end, rng)
        self.buffer.write(drawn, ends.raw)

    def samplers(self) -> dict[str, Sampler]:
        """Chains that go on from the reservoir."""
        return {"buffer": MixingStored(self.model, self.config, self.buffer)}

    def _ends(self, drawn: BufferSample, rng: torch.Generator) -> GraphedEnds:
        cfg, noise = self.config, self.buffer.init_noise
        if not cfg.trains_sampler:
            ends = chain_ends(
                self.model, drawn, self.kernel, cfg.chain.steps, rng, self.options, init_noise=noise
            )
            return GraphedEnds(ends, ends.x[:0])
        return graphed_chain_ends(
            self.model,
            drawn,
            self.kernel,
            cfg.chain.steps,
            rng,
            self.options,
            init_noise=noise,
            through=cfg.through,
            first=cfg.kl_rows,
        )

    def _sampler_terms(self, x_end: Tensor, rng: torch.Generator) -> Loss:
        cfg, total = self.config, Loss(x_end.new_zeros(()))
        if not len(x_end):
            return total
        if cfg.kl_weight:
            total = total + kl_term(self._held_energy(x_end), cfg.kl_weight)
        if cfg.entropy_weight and self.buffer.filled >= min(ENOUGH, self.buffer.capacity):
            total = total + entropy_term(x_end, self.buffer.rows(cfg.neighbours, rng), cfg.entropy_weight)
        return total

    def _held_energy(self, x: Tensor) -> Tensor:
        """E'(x) with its graph to x and none to the weights."""
        bf16 = self.options.precision == "bf16"
        with frozen(self.model), torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
            return self.model.energy(x).to(x.dtype)

    def _augmented(self, drawn: BufferSample, rng: torch.Generator) -> BufferSample:
        """Stored chains change before they go on; fresh noise does not."""
        if not self.config.augment.on:
            return drawn
        position = drawn.position if isinstance(drawn.position, Tensor) else drawn.position[0]
        changed = augmented(self.config, position, rng)
        return replace(drawn, position=where(drawn.restarted, drawn.position, changed))
