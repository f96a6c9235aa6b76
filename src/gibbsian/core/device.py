"""Devices by name."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn


def usable(device: str) -> str:
    """`device` if torch knows it and it is here; raises `UsageError` otherwise."""
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f"unknown device '{device}': use cpu, cuda or cuda:N") from error
    if kind not in ("cpu", "cuda", "mps"):
        raise UsageError(f"device '{device}' is not supported: use cpu, cuda or cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device '{device}' is not on this machine: use cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"device '{device}' is not on this machine: use cpu")
    return device


def device_of(module: nn.Module) -> torch.device:
    """Where the weights of `module` are; the CPU for one without any."""
    import torch

    tensor = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if tensor is None else tensor.device
