"""What a figure was measured on: processor, its arithmetic, threads, versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from gibbsian.core.device import cpuinfo, native_bf16

PEERS = ("torchebm", "ebmkit", "blackjax", "jax")


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


def waiter(device: torch.device) -> Callable[[], None]:
    """A call that returns when all work on `device` is done."""
    return partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None


def processor() -> str:
    """The processor's name as the system gives it."""
    return cpuinfo("model name") or platform.processor() or platform.machine()


def version_of(name: str) -> str:
    """Version of an installed distribution, "" if it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
