"""What this machine offers: devices, versions, threads. Torch is imported inside the functions."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__

if TYPE_CHECKING:
    import torch

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Names in /proc/cpuinfo of instructions that multiply bfloat16 (x86 and ARM)."""


def warn_if_emulated(precision: str, device: str) -> None:
    """One line on stderr where bf16 would be slower than fp32, because `device` has no such arithmetic."""
    import torch

    if precision == "bf16" and not native_bf16(torch.device(device)):
        print(
            "note: this machine has no bfloat16 arithmetic: --precision bf16 is several times slower here",
            file=sys.stderr,
        )


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
