"""The samplers that several papers share: a chain from where it starts, and where it starts."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.position import Position
from ..mcmc.base import Kernel
from ..mcmc.settings import ChainConfig
from ..starts.base import Start
from .chains import langevin
from .labels import draw_labels
from .model import EnergyModel
from .sampler import ChainStage, Sampler, Stages


class ChainSampler(Sampler):
    """One chain from a start on the model's energy.

    A conditional model without labels given draws them, uniform; a joint one then samples its marginal.

    Args:
        model: gives the energy that the chains move on, at their labels.
        kernel: makes the steps, at the model's `chain_temperature`.
        steps: number of steps by default.
        start: where the chains begin.
    """

    def __init__(self, model: EnergyModel, kernel: Kernel, steps: int, start: Start) -> None:
        self.model, self.kernel, self.steps, self.start = model, kernel, steps, start

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.steps} steps of {self.kernel}, from {self.start})"

    @property
    def temperature(self) -> float:  # type: ignore[override]
        """T of the chain."""
        return self.model.chain_temperature

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The chain."""
        y = draw_labels(self.model, n, y, rng)
        yield self.stage(self.start.draw(n, rng).position, y, steps)

    def stage(self, position: Position, y: Tensor | None, steps: int | None = None) -> ChainStage:
        """The same chain from another position."""
        return ChainStage(self.model.conditioned(y), self.kernel, steps or self.steps, position)


class Unmoved(ChainSampler):
    """Where the chain begins, not moved: a generator without the energy that refines it."""

    def stage(self, position: Position, y: Tensor | None, steps: int | None = None) -> ChainStage:
        """No step, whatever number is asked for."""
        return ChainStage(self.model.conditioned(y), self.kernel, 0, position)


def chain_sampler(model: EnergyModel, chain: ChainConfig, start: Start) -> ChainSampler:
    """The sampler of a chain's settings."""
    return ChainSampler(model, chain_kernel(model, chain), chain.steps, start)


def chain_kernel(model: EnergyModel, chain: ChainConfig) -> Kernel:
    """The kernel of a chain's settings on the energy that the model's chains move on.

    On E/T + base the same chain has step s T, temperature and clip over T, and the noise as it was.
    """
    if model.chain_temperature != model.temperature:
        chain = chain.over(model.temperature)
    return langevin(chain, model.spec)
