"""What a figure was measured on: processor, its arithmetic, threads, versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

PEERS = ("torchebm", "ebmkit", "blackjax", "jax")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Names in /proc/cpuinfo of instructions that multiply bfloat16 (x86 and ARM)."""


def machine(device: torch.device, others: Sequence[str] = PEERS) -> dict[str, Any]:
    """Facts for the record; `others` are the distributions whose versions matter."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": native_bf16(device),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: version for name in others if (version := version_of(name))},
        "date": datetime.date.today().isoformat(),
    }


def line(facts: dict[str, Any]) -> str:
    """The same in one line of a page."""
    has = "with" if facts["bfloat16"] else "without"
    on = "" if facts["device"] == "cpu" else f"{facts['device']}; "
    versions = ", ".join(f"{name} {facts[name]}" for name in ("python", "torch", *PEERS) if name in facts)
    return (
        f"{on}{facts['processor']}, {facts['cores']} cores, {facts['threads']} threads, "
        f"{facts['instructions']}, {has} bfloat16 arithmetic; {versions}; {facts['date']}"
    )


def native_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 in hardware; emulated, it is hundreds of times as slow."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(BF16_FLAGS & set(_cpuinfo("flags", "features").split()))


def waiter(device: torch.device) -> Callable[[], None]:
    """A call that returns when all work on `device` is done."""
    return partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None


def processor() -> str:
    """The processor's name as the system gives it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def version_of(name: str) -> str:
    """Version of an installed distribution, "" if it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpuinfo(*keys: str) -> str:
    """The value of the first line of /proc/cpuinfo with one of these keys, "" without such a line."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    pairs = (text.partition(":") for text in lines)
    return next((value.strip() for key, _, value in pairs if key.strip().lower() in keys), "")
