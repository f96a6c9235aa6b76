"""Chains that go on from those that training stored, as some papers draw their samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..starts.base import BufferSample, Start
from ..starts.replay import ReplayBuffer
from .chain_sampler import ChainSampler
from .sampler import Sampler, Stages


class StoredChains(Sampler):
    """The chain from stored ones, of the classes asked for where the buffer keeps them."""

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


def stored_samplers(chain: ChainSampler, buffer: Start) -> dict[str, Sampler]:
    """The sampler "buffer" of `chain`, where `buffer` is one that keeps chains; else none."""
    return {"buffer": StoredChains(chain, buffer)} if isinstance(buffer, ReplayBuffer) else {}
