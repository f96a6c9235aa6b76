"""The kernel of any settings: a chain on data, a chain on latents, or the choice of `--kernel`."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from typing import Any

from ..core.errors import UsageError
from .hmc import HMC
from .independent import IndependentMH
from .kernel import Kernel
from .langevin import Langevin
from .mala import MALA
from .nuts import NUTS
from .settings import (
    ChainConfig,
    HMCSettings,
    IndependentSettings,
    KernelSettings,
    LangevinSettings,
    LatentConfig,
    MALASettings,
    NUTSSettings,
    UnderdampedSettings,
)
from .underdamped import Underdamped

_CLASSES: dict[type, Any] = {
    LangevinSettings: Langevin,
    MALASettings: MALA,
    HMCSettings: HMC,
    NUTSSettings: NUTS,
    UnderdampedSettings: Underdamped,
    IndependentSettings: IndependentMH,
}


def kernel_of(
    settings: ChainConfig | LatentConfig | KernelSettings,
    low: float = -float("inf"),
    high: float = float("inf"),
) -> Kernel:
    """The kernel that `settings` describe.

    Args:
        settings: the fields of one kernel, or a section of a configuration.
        low, high: the data range, to which a `ChainConfig` with `clamp` keeps positions.

    Raises:
        UsageError: for a `LatentConfig` that draws without a chain, and for `clamp` without a range.
    """
    if isinstance(settings, ChainConfig):
        if settings.clamp and not isfinite(high - low):
            raise UsageError(
                f"chain.clamp is set, but the range is {low:g} to {high:g}: give the range of the data, "
                "kernel_of(chain, spec.low, spec.high)"
            )
        settings = settings.kernel_settings(low, high)
    if isinstance(settings, LatentConfig):
        settings = settings.kernel_settings()
    made: Kernel = _CLASSES[type(settings)](**{f.name: getattr(settings, f.name) for f in fields(settings)})
    return made
