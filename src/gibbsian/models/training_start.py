"""Where training chains begin: stored chains, noise, a fixed bank of noise, or the data."""

from __future__ import annotations

import torch

from ..core.spec import DataSpec
from ..starts.base import Start
from ..starts.data import DataStart
from ..starts.fixed import FixedNoise
from ..starts.replay import ReplayBuffer
from ..starts.settings import StartConfig
from .chains import init_noise


def training_start(start: StartConfig, spec: DataSpec, data_noise: float, rng: torch.Generator) -> Start:
    """Where training chains begin, as the settings say.

    Args:
        start: the kind of start, and the sizes that belong to it.
        spec: shape, range and classes of the data.
        data_noise: standard deviation of the noise that smooths data, for chains that begin at them.
        rng: draws the first contents of a buffer, or the fixed bank.
    """
    noise = init_noise(start, spec)
    if start.kind == "noise":
        return noise
    if start.kind == "data":
        return DataStart(data_noise)
    if start.kind == "fixed":
        return FixedNoise(noise, start.capacity, rng)
    return ReplayBuffer(
        noise,
        start.capacity,
        rng,
        reinit=start.reinit,
        uint8=start.uint8,
        bounds=(spec.low, spec.high),
        classes=spec.num_classes or sum(spec.condition),
        labels="batch" if spec.condition else start.labels,
    )
