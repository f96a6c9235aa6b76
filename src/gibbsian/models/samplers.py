"""The samplers that several papers share: a chain from noise, and chains that go on from stored ones."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.spec import DataSpec
from ..mcmc.base import Kernel
from ..mcmc.settings import ChainConfig
from ..starts.base import BufferSample, Start
from ..starts.replay import ReplayBuffer
from .chains import langevin
from .sampler import ChainStage, Sampler, Stages


class ChainModel(Protocol):
    """What a chain on data needs of a model: see `EnergyModel`; `chain_temperature` belongs to
    `conditioned`.
    """

    spec: DataSpec
    temperature: float
    joint: bool

    @property
    def chain_temperature(self) -> float:
        """The temperature of chains on `conditioned`."""

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """The energy that chains move on, at labels `y` `(B,)` or without."""


class ChainSampler(Sampler):
    """One chain of `steps` of `kernel` from `start` on the model's energy.

    A conditional model without labels given draws them, uniform; a joint one then samples its marginal.
    """

    def __init__(self, model: ChainModel, kernel: Kernel, steps: int, start: Start) -> None:
        self.model, self.kernel, self.steps, self.start = model, kernel, steps, start

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


def chain_sampler(model: ChainModel, chain: ChainConfig, start: Start) -> ChainSampler:
    """The sampler of a chain's settings."""
    return ChainSampler(model, chain_kernel(model, chain), chain.steps, start)


def chain_kernel(model: ChainModel, chain: ChainConfig) -> Kernel:
    """The kernel of a chain's settings on the energy that the model's chains move on.

    On E/T + base the same chain has step s T, temperature and clip over T, and the noise as it was.
    """
    if model.chain_temperature != model.temperature:
        chain = chain.over(model.temperature)
    return langevin(chain, model.spec)


def draw_labels(model: ChainModel, n: int, y: Tensor | None, rng: torch.Generator) -> Tensor | None:
    """The labels asked for, or uniform ones of a conditional model; none for other models."""
    model.spec.refuse_labels(y)
    if y is not None or model.joint or not model.spec.num_classes:
        return y
    return torch.randint(model.spec.num_classes, (n,), generator=rng, device=rng.device)


class StoredChains(Sampler):
    """Chains that go on from those that training stored, as some papers draw their samples."""

    def __init__(self, chain: ChainSampler, buffer: Start | nn.Module) -> None:
        self.chain, self.buffer = chain, buffer

    @property
    def temperature(self) -> float:  # type: ignore[override]
        """T of the chain."""
        return self.chain.temperature

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The chain from `n` stored ones, of the classes `y` where the buffer keeps them."""
        stored = stored_chains(self.buffer, n, rng, y)
        yield self.chain.stage(stored.position, y if self.chain.model.joint else stored.y, steps)


def stored_chains(buffer: Start | nn.Module, n: int, rng: torch.Generator, y: Tensor | None) -> BufferSample:
    """`n` chains of a replay buffer, of the classes `y` `(n,)` where it keeps them; it stays as it is.

    Raises `UsageError` for another kind of start, or more chains than there are.
    """
    if not isinstance(buffer, ReplayBuffer):
        raise UsageError("this model keeps no chains: sample from noise, or train with start.kind=persistent")
    if n > buffer.capacity:
        raise UsageError(f"asked for {n} chains of a buffer of {buffer.capacity}: take fewer, or use noise")
    drawn = buffer.draw(n, rng, y=y)
    buffer.release(drawn)
    return drawn
