"""Devices by name, and what they can do."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Names in /proc/cpuinfo of instructions that multiply bfloat16 (x86 and ARM)."""


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


def native_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 in hardware; emulated, it is hundreds of times as slow."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(BF16_FLAGS & set(cpuinfo("flags", "features").split()))


def cpuinfo(*keys: str) -> str:
    """The value of the first line of /proc/cpuinfo with one of these keys, "" without such a line."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    pairs = (text.partition(":") for text in lines)
    return next((value.strip() for key, _, value in pairs if key.strip().lower() in keys), "")
