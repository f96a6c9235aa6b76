"""The parts of a chain on data from settings: its kernel, and the noise where it begins."""

from __future__ import annotations

from dataclasses import fields

from ..core.spec import DataSpec
from ..mcmc.langevin import Langevin
from ..mcmc.settings import ChainConfig
from ..starts.base import Start
from ..starts.noise import GaussianNoise, UniformNoise
from ..starts.settings import StartConfig


def langevin(chain: ChainConfig, spec: DataSpec) -> Langevin:
    """The Langevin kernel of a chain's settings; the range of `spec` bounds clamped positions."""
    settings = chain.kernel_settings(spec.low, spec.high)
    return Langevin(**{f.name: getattr(settings, f.name) for f in fields(settings)})


def init_noise(start: StartConfig, spec: DataSpec) -> Start:
    """Noise where chains begin, as `start` says: uniform on the data range of `spec`, or Gaussian."""
    if start.noise == "gaussian":
        return GaussianNoise(spec.event_shape, start.scale)
    return UniformNoise(spec.event_shape, spec.low, spec.high)
