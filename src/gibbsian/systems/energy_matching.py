"""Energy matching (M. Balcerak et al., 2025, arXiv 2504.10612): one potential V(x), without time, for flow
and law.

    first:  V drives a flow from noise to data,  loss |grad V(x_t) + x_1 - x_0|^2,  pairs by optimal transport
    then:   + weight (mean V(x_1) - mean V(x_neg)), so that near the data exp(-V / epsilon) is their law

Negatives are Langevin chains x' = x - dt grad V + sqrt(2 dt epsilon(t)) xi, half from noise and half from
data. From noise the temperature epsilon(t), t = k dt, is 0 up to a cutoff and rises linearly to epsilon at
t = 1: far away the chain is the flow, near the data a sampler. Samples come by Heun's method or by such
chains.

As long as the flow's loss stands beside the contrast (`flow.weight`) it bends V near the data, so that
exp(-V / epsilon) is only about their law; `matched` says that the contrast was alone at the end and that its
chains outlast the ramp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..mcmc.base import Kernel
from ..mcmc.heun import Heun
from ..mcmc.langevin import Langevin
from ..nets.build import build
from ..objectives.flow import flow_loss, transported
from ..recipes.chain import LossConfig
from ..recipes.energy_matching import EnergyMatchingConfig
from ..starts.base import Ticket, all_fresh
from ..starts.noise import GaussianNoise
from .base import Handed, Leg, Plan, Planner, Standing, System
from .graphed import beside
from .phases import Negatives, contrastive_loss, handed, negatives, paired, positives


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


class EnergyMatching(System):
    """A potential V; its flow leads from noise to data, exp(-V / epsilon) is the law there."""

    config: EnergyMatchingConfig
    counted = ("flow.updates",)
    contrasted: Tensor

    def __init__(
        self, config: EnergyMatchingConfig, event_shape: tuple[int, ...], rng: torch.Generator
    ) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
        self.noise = GaussianNoise(self.event_shape)
        contrast = config.contrast
        self.temperature = contrast.epsilon
        self.additive = not contrast.floor and not contrast.trim
        self.register_buffer("contrasted", torch.zeros((), dtype=torch.bool))

    @property
    def matched(self) -> bool:  # type: ignore[override]
        """Once the contrast has begun, if its chains last and nothing but it decides V."""
        contrast = self.config.contrast
        lasting = contrast.data_chains == "constant" and contrast.steps * contrast.dt > 1
        bent = contrast.clamp or contrast.trim or contrast.floor or self.config.flow.weight
        return bool(self.contrasted and contrast.weight and lasting and not bent)

    def begin_anew(self) -> None:
        """The law of V is the contrast's doing, which is to come again."""
        self.contrasted.zero_()

    def groups(self) -> dict[str, nn.Module]:
        """One group: the potential."""
        return {"energy": self.net}

    def stages(self) -> tuple[int, ...]:
        """Where the contrastive phase begins."""
        return (self.config.flow.updates,) if self.config.contrast.weight else ()

    def energy(self, x: Position) -> Tensor:
        """V(x), shape `(B,)`; its temperature is epsilon."""
        v: Tensor = self.net(x)
        return v

    # -- training -----------------------------------------------------------------------------------

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The flow's loss; from `flow.updates` on the contrast beside it."""
        config = self.config
        x = positives(batch, config.pixels, rng)
        if step < config.flow.updates or not config.contrast.weight:
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
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            return flow_loss(self.energy, x_0, x_1, t)

    def _contrast(self, x: Tensor, rng: torch.Generator) -> Loss:
        config, half = self.config.contrast, len(x) // 2
        if not half:
            raise UsageError(
                "energy_matching begins half of its chains at noise and half at data, and a batch of 1 row "
                "has no half: raise train.batch_size, or lower train.accumulate"
            )
        self.contrasted.fill_(True)
        begun = (self.noise.draw(half, rng).position, x[half:])
        kernels = (self.training_kernel("ramp"), self.training_kernel(config.data_chains))
        noise, data = (
            negatives(
                self,
                self.energy,
                kernel,
                Ticket(start, None, None, all_fresh(len(cast(Tensor, start)), rng)),
                config.steps,
                rng,
                self.noise,
            )
            for kernel, start in zip(kernels, begun, strict=True)
        )
        x_neg = torch.cat([noise.x, data.x])
        if config.clamp:
            x_neg = x_neg.clamp(self.config.pixels.low, self.config.pixels.high)
        e_pos, e_neg = paired(self.energy, x, x_neg, precision=self.precision)
        both = replace(data.chain, info=beside(noise.chain.info, data.chain.info))
        ends = Negatives(x_neg, both, torch.cat([noise.bad, data.bad]))
        loss = contrastive_loss(e_pos, self._trimmed(e_neg), LossConfig(), ends)
        value = config.weight * loss.value
        return Loss(value.clamp(min=-config.floor) if config.floor else value, loss.metrics)

    def _trimmed(self, e_neg: Tensor) -> Tensor:
        """Without the highest energies, which chains that went astray have."""
        kept = max(1, round(len(e_neg) * (1 - self.config.contrast.trim)))
        return e_neg if kept == len(e_neg) else e_neg.sort().values[:kept]

    def training_kernel(self, kind: str) -> Kernel:
        """Langevin steps of time dt, at "constant" temperature or with its "ramp"."""
        contrast = self.config.contrast
        plain = Langevin(2 * contrast.dt, temperature=contrast.epsilon)
        if kind == "constant":
            return plain
        return replace(plain, temperature_schedule=Rising(contrast.epsilon, contrast.cutoff, contrast.dt))

    # -- sampling -----------------------------------------------------------------------------------

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """From N(0, I) by `flow.sampler`, `steps` of time `flow.dt`."""
        return self._by(self.config.flow.sampler, n, rng, y=y, steps=steps)

    def other_plans(self) -> dict[str, Planner]:
        """The sampler that is not `flow.sampler`."""
        other = "langevin" if self.config.flow.sampler == "heun" else "heun"
        return {other: partial(self._by, other)}

    def _by(
        self,
        sampler: str,
        n: int,
        rng: torch.Generator,
        *,
        y: Tensor | None = None,
        steps: int | None = None,
    ) -> Plan:
        if y is not None:
            raise UsageError("energy_matching has no labels: leave out the label")
        flow, contrast = self.config.flow, self.config.contrast
        kernel: Kernel = Heun(flow.dt)
        if sampler == "langevin":
            rising = Rising(contrast.epsilon, contrast.cutoff, flow.dt)
            kernel = Langevin(2 * flow.dt, contrast.epsilon, temperature_schedule=rising)
        yield Leg(self.energy, kernel, steps or flow.steps, self.noise.draw(n, rng).position)

    def standing(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> Standing:
        """Langevin steps at temperature epsilon, whichever way samples are drawn."""
        return Standing(self.energy, self.training_kernel("constant"), x)

    def handed(self) -> Handed:
        """V with the temperature epsilon."""
        return handed(self.net, self.temperature)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return cast(Tensor, position)

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """V(x) / epsilon, -log density up to a constant near the data, once the contrastive phase has
        ended."""
        if y is not None:
            raise UsageError("energy_matching has no labels: leave out the label")
        return self.energy(x) / self.temperature
