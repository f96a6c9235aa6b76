"""The parts of a chain on data from settings: its kernel, the noise where it begins, the start of
training.
"""

from __future__ import annotations

from typing import cast

import torch

from ..core.spec import DataSpec
from ..mcmc.kernels import kernel_of
from ..mcmc.langevin import Langevin
from ..mcmc.settings import ChainConfig
from ..starts.base import Start
from ..starts.data import DataStart
from ..starts.fixed import FixedNoise
from ..starts.noise import GaussianNoise, UniformNoise
from ..starts.replay import ReplayBuffer
from ..starts.settings import StartConfig


def langevin(chain: ChainConfig, spec: DataSpec) -> Langevin:
    """The Langevin kernel of a chain's settings; the range of `spec` bounds clamped positions."""
    return cast(Langevin, kernel_of(chain, spec.low, spec.high))


def samples_density(chain: ChainConfig, start: StartConfig) -> bool:
    """Whether training chains sample exp(-E/T) up to step-size bias: the kernel must, and chains must last.

    Chains that begin at noise each time are read as a K-step generator, whose E is no log-density (Nijkamp
    et al. 2019, 2020), however plain the kernel.
    """
    return chain.samples_density and start.kind in ("persistent", "data")


def init_noise(start: StartConfig, spec: DataSpec) -> Start:
    """Noise where chains begin, uniform on the data range or Gaussian."""
    if start.noise == "gaussian":
        return GaussianNoise(spec.event_shape, start.scale)
    return UniformNoise(spec.event_shape, spec.low, spec.high)


def training_start(start: StartConfig, spec: DataSpec, data_noise: float, rng: torch.Generator) -> Start:
    """Where training chains begin, as the settings say; `data_noise` is the deviation of smoothed data."""
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
        classes=spec.num_classes,
        labels=start.labels,
    )
