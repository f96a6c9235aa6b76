"""What stays in float32 under bfloat16 autocast: normalised weights, and the sums that end in an energy."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """A context without autocast on the device of `like`."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def widened(h: Tensor) -> Tensor:
    """Half precision to float32; wider types unchanged."""
    return h.float() if h.dtype in (torch.bfloat16, torch.float16) else h
