"""Chains that training stored, handed out once more for samples that go on from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..starts.base import Start, Ticket
from ..starts.replay import ReplayBuffer


def stored_chains(chains: Start | nn.Module, n: int, rng: torch.Generator, y: Tensor | None) -> Ticket:
    """`n` chains of a replay buffer, of the classes `y` `(n,)` where it keeps them; it stays as it is.

    Raises `UsageError` for another kind of start, or more chains than there are.
    """
    if not isinstance(chains, ReplayBuffer):
        raise UsageError("this model keeps no chains: sample from noise, or train with start.kind=persistent")
    if n > chains.capacity:
        raise UsageError(f"asked for {n} chains of a buffer of {chains.capacity}: take fewer, or use noise")
    ticket = chains.draw(n, rng, y=y)
    chains.release(ticket)
    return ticket
