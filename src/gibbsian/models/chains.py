"""The parts of a chain on data from settings: its kernel, the noise where it begins, the start of training."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..core.spec import DataSpec
from ..mcmc.langevin import Langevin, NoiseFirst, Unadjusted
from ..mcmc.wrap import Clamped, Clipped, Scheduled
from ..noise.schedule import Polynomial
from ..recipes.chain import ChainConfig, StartConfig
from ..starts.base import Start
from ..starts.data import DataStart
from ..starts.fixed import FixedNoise
from ..starts.noise import GaussianNoise, UniformNoise
from ..starts.replay import ReplayBuffer


@dataclass(frozen=True)
class FadingNoise:
    """Temperature schedule whose noise falls linearly from `first` to `last` over `steps`."""

    first: float
    last: float
    steps: int
    step_size: float

    def __call__(self, step: int) -> float:
        share = min(step / max(self.steps - 1, 1), 1.0)
        return (self.first + (self.last - self.first) * share) ** 2 / self.step_size


def langevin(chain: ChainConfig, spec: DataSpec) -> Unadjusted:
    """The paper's Langevin kernel; the range of `spec` bounds clamped positions."""
    kernel: Unadjusted = Langevin(step_size=chain.step_size, temperature=chain.temperature)
    if chain.noise_first:
        kernel = NoiseFirst(kernel)
    if chain.noise_end not in (None, chain.noise):
        fading = FadingNoise(chain.noise, chain.noise_end or 0.0, chain.steps, chain.step_size)
        kernel = Scheduled(kernel, temperature=fading)
    if chain.decay:
        kernel = Scheduled(kernel, step_size=Polynomial(chain.step_size, 1.0, chain.decay))
    if chain.clip:
        kernel = Clipped(kernel, **{chain.clip_by: chain.clip})
    if chain.clamp:
        kernel = Clamped(kernel, spec.low, spec.high, noised=chain.clamp_noised)
    return kernel


def samples_density(chain: ChainConfig, start: StartConfig) -> bool:
    """Whether training chains sample exp(-E/T) up to step-size bias: a matched kernel on chains that last.

    Chains that begin at noise each time are read as a K-step generator, whose E is no log-density (Nijkamp
    et al. 2019, 2020), however plain the kernel.
    """
    return chain.matched and start.kind in ("persistent", "data")


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
