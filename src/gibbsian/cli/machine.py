"""What this machine offers: devices, versions, threads. Torch is imported inside the functions."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..core.device import native_bf16

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..models.precisions import Wanted
    from ..models.sampler import RunOptions, Sampler
    from ..train.settings import Compiling


def computed(
    model: EnergyModel, precision: Wanted, compile: Compiling, chains: int, sampler: Sampler | None = None
) -> RunOptions:
    """How chains are computed, with a line on stderr for what was chosen and for what will be slow here."""
    from ..core.device import device_of
    from ..models.precisions import chosen
    from ..models.sampler import RunOptions

    warn_if_emulated(precision, str(device_of(model)))
    found = chosen(model, precision, min(chains, 512), sampler)
    if precision == "auto":
        print(f"precision {found.precision}: {found.why}", file=sys.stderr)
    return RunOptions(found.precision, compile)


def warn_if_emulated(precision: str, device: str) -> None:
    """One line on stderr where bf16 would be slower than fp32, because `device` has no such arithmetic."""
    import torch

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
