"""Energy matching (M. Balcerak et al., 2025, arXiv 2504.10612): one potential V(x), without time, for flow
and distribution.

    first:  V drives a flow from noise to data,  loss |grad V(x_t) + x_1 - x_0|^2,  pairs by optimal transport
    then:   + weight (mean V(x_1) - mean V(x_neg)), so that near the data exp(-V / epsilon) is their density

Negatives are Langevin chains x' = x - dt grad V + sqrt(2 dt epsilon(t)) xi, half from noise and half from
data. From noise the temperature epsilon(t), t = k dt, is 0 up to a cutoff and rises linearly to epsilon at
t = 1: far away the chain is the flow, near the data a sampler. Samples come by Heun's method or by such
chains.

As long as the flow's loss stands beside the contrast (`flow.weight`) it bends V near the data, so that
exp(-V / epsilon) is only about their density. The model claims one once the contrast has begun, if it is
alone then and its chains outlast the ramp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...mcmc.base import Kernel
from ...mcmc.heun import Heun
from ...mcmc.langevin import Langevin
from ...objectives.flow import flow_loss, transported
from ...objectives.settings import LossConfig
from ...starts.base import BufferSample, all_restarted
from ...starts.noise import GaussianNoise
from ..chain_sampler import ChainSampler
from ..contrastive import ChainEnds, chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..graphed import beside
from ..learner import Learner
from ..net_energy import NetEnergy
from ..networks import energy_net
from ..sampler import DataChain
from .config import EnergyMatchingConfig

if TYPE_CHECKING:
    from ...data.dataset import Dataset


@dataclass(frozen=True)
class Rising:
    """epsilon(t) at t = k dt: 0 up to `cutoff` in [0, 1], linear from there to `epsilon` at 1, then
    constant."""

    epsilon: float
    cutoff: float
    dt: float

    def __call__(self, step: int) -> float:
        t = step * self.dt
        if t >= 1:
            return self.epsilon
        share = (t - self.cutoff) / (1 - self.cutoff) if t > self.cutoff else 0.0
        return self.epsilon * share


def build(
    config: EnergyMatchingConfig,
    event_shape: tuple[int, ...],
    rng: torch.Generator,
    net: nn.Module | None = None,
) -> EnergyMatching:
    """The learner of a potential; its samples come by `flow.sampler`, and by the other one under its name."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net, curved=True)
    model, flow = NetEnergy(net, spec, temperature=config.contrast.epsilon), config.flow
    noise, contrast = GaussianNoise(spec.event_shape), config.contrast
    rising = Rising(contrast.epsilon, contrast.cutoff, flow.dt)
    kernels: dict[str, Kernel] = {
        "heun": Heun(flow.dt),
        "langevin": Langevin(2 * flow.dt, contrast.epsilon, temperature_schedule=rising),
    }
    for name, kernel in kernels.items():
        own = "default" if name == flow.sampler else name
        model.samplers[own] = FromFlow(model, config, kernel, noise)
    return EnergyMatching(config, model, noise)


def training_kernel(config: EnergyMatchingConfig, kind: str) -> Kernel:
    """Langevin steps of time dt, at "constant" temperature or with its "ramp"."""
    contrast = config.contrast
    plain = Langevin(2 * contrast.dt, temperature=contrast.epsilon)
    if kind == "constant":
        return plain
    return replace(plain, temperature_schedule=Rising(contrast.epsilon, contrast.cutoff, contrast.dt))


class FromFlow(ChainSampler):
    """From N(0, I) by a flow or by rising temperature, `steps` of time `flow.dt`."""

    def __init__(
        self, model: NetEnergy, config: EnergyMatchingConfig, kernel: Kernel, noise: GaussianNoise
    ) -> None:
        super().__init__(model, kernel, config.flow.steps, noise)
        self.config = config

    def from_data(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> DataChain:
        """Langevin steps at temperature epsilon, whichever way samples are drawn."""
        return DataChain(self.model.conditioned(y), training_kernel(self.config, "constant"), x)


class EnergyMatching(Learner):
    """The flow's loss; from `flow.updates` on the contrast beside it."""

    config: EnergyMatchingConfig
    model: NetEnergy

    def __init__(self, config: EnergyMatchingConfig, model: NetEnergy, noise: GaussianNoise) -> None:
        super().__init__(config, model)
        self.noise = noise
        self.mean_reduced = not config.contrast.floor and not config.contrast.trim

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the potential."""
        return {"energy": self.model.net}

    def milestones(self) -> tuple[int, ...]:
        """Where the contrast begins."""
        return (self.config.flow.updates,) if self.config.contrast.weight else ()

    def setup(self, data: Dataset) -> None:
        """The density is the contrast's doing, which is to come; a resumed run brings its claim."""
        self.model.claims_density = False

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The flow's loss, the contrast, or both."""
        config = self.config
        x = noised_data(batch, config.pixels, rng)
        if self.planned(step) < config.flow.updates or not config.contrast.weight:
            yield "energy", self._flow(x, rng)
            return
        loss = self._contrast(x, rng)
        if config.flow.weight:
            flow = self._flow(x, rng)
            loss = loss + Loss(config.flow.weight * flow.value, flow.metrics)
        yield "energy", loss

    def _flow(self, x: Tensor, rng: torch.Generator) -> Loss:
        x_0 = cast(Tensor, self.noise.draw(len(x), rng).position)
        x_1 = transported(x_0, x, rng, blur=self.config.flow.blur)
        t = torch.rand(len(x), generator=rng, device=x.device, dtype=x.dtype)
        bf16 = self.options.precision == "bf16"
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
            return flow_loss(self.model.energy, x_0, x_1, t)

    def _contrast(self, x: Tensor, rng: torch.Generator) -> Loss:
        config, half = self.config.contrast, len(x) // 2
        if not half:
            raise UsageError(
                "energy_matching begins half of its chains at noise and half at data, and a batch of 1 row "
                "has no half: raise train.batch_size, or lower train.accumulate"
            )
        self.model.claims_density = self.config.claims_density
        begun = (self.noise.draw(half, rng).position, x[half:])
        kernels = (training_kernel(self.config, "ramp"), training_kernel(self.config, config.data_chains))
        noise, data = (
            chain_ends(
                self.model,
                BufferSample(start, None, None, all_restarted(len(cast(Tensor, start)), rng)),
                kernel,
                config.steps,
                rng,
                self.options,
                init_noise=self.noise,
            )
            for kernel, start in zip(kernels, begun, strict=True)
        )
        x_neg = torch.cat([noise.x, data.x])
        if config.clamp:
            x_neg = x_neg.clamp(self.config.pixels.low, self.config.pixels.high)
        e_pos, e_neg = energies_of_both(self.model.energy, x, x_neg, precision=self.options.precision)
        both = replace(data.chain, info=beside(noise.chain.info, data.chain.info))
        ends = ChainEnds(x_neg, both, torch.cat([noise.bad, data.bad]))
        loss = contrastive_loss(e_pos, self._trimmed(e_neg), LossConfig(), ends)
        value = config.weight * loss.value
        return Loss(value.clamp(min=-config.floor) if config.floor else value, loss.metrics)

    def _trimmed(self, e_neg: Tensor) -> Tensor:
        """Without the highest energies, which chains that went astray have."""
        kept = max(1, round(len(e_neg) * (1 - self.config.contrast.trim)))
        return e_neg if kept == len(e_neg) else e_neg.sort().values[:kept]
