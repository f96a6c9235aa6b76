"""IGEBM: implicit generation with energy-based models (Y. Du, I. Mordatch, NeurIPS 2019, arXiv 1903.08689).

    p(x) ~ exp(-E(x)/T),    loss = mean E(x_pos) - mean E(x_neg) + alpha (mean E(x_pos)^2 + mean E(x_neg)^2)

x_neg are persistent chains from a replay buffer, 5 % of them restarted from uniform noise. After an update
each takes the place of the chain that it went on from (`ContrastiveLearner.losses`, one update of all papers
of this kind, and `starts/replay.py: ReplayBuffer.write`).

One chain step, in this order: add noise, take the gradient there, clip it, move, clamp. Drift and noise are
set apart, so the chain's temperature T = noise^2 / step_size is far below 1 (1.25e-6 as published).

Conditional models have E(x, y); their Z(y) is unknown, so E(x, y) says nothing of p(y). An ensemble
keeps past weights and steps through them in turn while sampling.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ...core.position import Position
from ...mcmc.langevin import Langevin
from ..chain_sampler import ChainSampler
from ..chains import init_noise
from ..contrastive_learner import ContrastiveLearner
from ..labels import draw_labels
from ..net_energy import NetEnergy
from ..networks import data_spec, net_model
from ..sampler import ChainStage, DataChain, Sampler, Stages
from ..stored import stored_samplers
from ..training_start import training_start
from .config import IGEBMConfig


def build(
    config: IGEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> ContrastiveLearner:
    """The learner of an energy network; `net` takes the place of the one that `config.net` describes."""
    spec = data_spec(config, event_shape)
    model = net_model(config, spec, rng, net, past=config.ensemble.members)
    noise = init_noise(config.start, spec)
    buffer = training_start(config.start, spec, config.pixels.noise, rng)
    remembering = partial(remember, model, config.ensemble.every) if config.ensemble.members else None
    learner = ContrastiveLearner(config, model, buffer, noise, before_update=remembering)
    latest = learner.sampling_chain()
    learner.stored = stored_samplers(latest, buffer)
    model.samplers["default"] = PastWeights(model, latest) if config.ensemble.members else latest
    return learner


class PastWeights(Sampler):
    """A chain from noise, one step each under past weights in turn; under the latest until there are any."""

    def __init__(self, model: NetEnergy, latest: ChainSampler) -> None:
        self.model, self.latest, self.temperature = model, latest, latest.temperature

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """One stage a step."""
        nets = self.model.past[: min(int(self.model.copies), len(self.model.past))]
        if not len(nets):
            yield from self.latest.stages(n, rng, y=y, steps=steps)
            return
        labels = draw_labels(self.model, n, y, rng)
        kernel, position = cast(Langevin, self.latest.kernel), self.latest.start.draw(n, rng).position
        for k in range(steps or self.latest.steps):
            energy = partial(self._past_energy, nets[k % len(nets)], labels)
            position = yield ChainStage(energy, kernel.from_step(k), 1, position)

    def from_data(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> DataChain:
        """The chain of the latest weights."""
        return self.latest.from_data(x, rng, y)

    def _past_energy(self, net: nn.Module, y: Tensor | None, x: Position) -> Tensor:
        return self.model.energy_under(net, self.decode(x), y)


def remember(model: NetEnergy, every: int, step: int) -> None:
    """Copy the weights of now over the oldest copy, once in `every` steps: micro-batches of one step share
    them."""
    kept, made = len(model.past), int(model.copies)
    due = step and step % every == 0
    if due and not (made and _same_weights(model.past[(made - 1) % kept], model.net)):
        model.past[made % kept].load_state_dict(model.net.state_dict())
        model.copies += 1


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
