"""What this machine offers: devices, versions, threads. Torch is imported inside the functions."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from .. import __version__
from ..core.errors import UsageError


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
        raise UsageError(f"device '{device}' is not on this machine: use --device cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"device '{device}' is not on this machine: use --device cpu")
    return device


def warn_if_emulated(precision: str, device: str) -> None:
    """One line on stderr where bf16 would be slower than fp32, because `device` has no such arithmetic."""
    import torch

    from ..tasks.bench.hardware import native_bf16

    if precision == "bf16" and not native_bf16(torch.device(device)):
        print(
            "note: this machine has no bfloat16 arithmetic: --precision bf16 is several times slower here",
            file=sys.stderr,
        )


def facts() -> dict[str, Any]:
    """Versions, devices and threads, for `doctor` and for reports."""
    import numpy
    import PIL
    import safetensors
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "gibbsian": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "safetensors": safetensors.__version__,
        "pillow": PIL.__version__,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": ", ".join(names) or "none",
        "data": os.environ.get("GIBBSIAN_DATA", "not set ($GIBBSIAN_DATA)"),
    }
