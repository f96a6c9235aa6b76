"""Hinge contrast: an outside paper in one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

import gibbsian as gb
from gibbsian import models


@dataclass(frozen=True)
class HingeConfig:
    """Settings of a hinge on the contrast."""

    net: models.AnyNet = field(default_factory=lambda: gb.MLPConfig(hidden=(64, 64)))
    chain: models.ChainConfig = models.ChainConfig(steps=20, step_size=0.02, noise=0.14)
    pixels: models.PixelConfig = models.PixelConfig(-2.5, 2.5)
    capacity: int = 4096
    margin: float = 1.0
    claims_density = False  # a pair past the margin pulls no more: E ranks, and E/T is no -log p


class Hinge(models.Learner):
    """max(0, margin + E(x_pos) - E(x_neg)) on persistent chains."""

    def __init__(self, config: HingeConfig, model: models.NetEnergy, buffer: gb.ReplayBuffer) -> None:
        super().__init__(config, model)
        self.buffer, self.kernel = buffer, models.chain_kernel(model, config.chain)

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the network."""
        return {"energy": self.model.net}

    def losses(self, batch: gb.Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, gb.Loss]]:
        """The hinge, then the chains go back."""
        start = self.buffer.draw(len(batch), rng)
        steps = self.config.chain.steps
        ends = models.chain_ends(self.model, start, self.kernel, steps, rng, self.options)
        e_pos, e_neg = models.energies_of_both(self.model.energy, batch.x, ends.x)
        hinge = (self.config.margin + e_pos - e_neg).relu().mean()
        watched = models.contrastive_loss(e_pos, e_neg, models.LossConfig(), ends).metrics
        yield "energy", gb.Loss(hinge, watched)  # energy_gap, drift, ... for the log and the monitor
        self.buffer.write(start, ends.raw)

    def samplers(self) -> dict[str, models.Sampler]:
        """Chains that go on from the stored ones."""
        return {"buffer": models.StoredChains(self.model.samplers["default"], self.buffer)}


def build(
    config: HingeConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> Hinge:
    """A hinge learner; `net` takes the place of the network of the settings."""
    spec = models.DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with gb.seeded_init(rng):
        net = models.energy_net(config.net, spec, net)
    model = models.NetEnergy(net, spec, temperature=config.chain.temperature)
    noise = gb.UniformNoise(event_shape, spec.low, spec.high)
    kernel = models.chain_kernel(model, config.chain)  # knows the range, for chain.clamp
    model.samplers["default"] = models.ChainSampler(model, kernel, config.chain.steps, noise)
    return Hinge(config, model, gb.ReplayBuffer(noise, config.capacity, rng))


PAPER = models.PaperEntry(
    "hinge", HingeConfig, build, {"toy": {"train": {"steps": 1500}}}, about="a hinge on the contrast"
)
