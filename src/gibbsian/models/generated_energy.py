"""An energy with a generator that starts its chains: cooperative and adversarial learning train this pair.

    energy      p(x) ~ exp(-E(x)/T) q(x)
    generator   x = g(z) + sigma eps,     z ~ N(0, I)

The generator is a way into the energy's data, no part of its density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.position import Position
from ..core.records import Batch
from ..nets.frozen import frozen
from ..starts.base import BufferSample, all_restarted
from .model import EnergyModel
from .net_energy import NetEnergy


class GeneratedEnergy(EnergyModel):
    """An energy on data and the generator that starts its chains.

    Args:
        of_data: the energy, with its temperature and base.
        generator: maps latents `(B, latent)` to data `(B, *event)`.
    """

    def __init__(self, of_data: NetEnergy, generator: nn.Module) -> None:
        super().__init__(of_data.spec, of_data.temperature)
        self.of_data, self.generator = of_data, generator

    @property
    def net(self) -> nn.Module:
        """The energy network."""
        return self.of_data.net

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), shape `(B,)`, without temperature and base."""
        self.spec.refuse_labels(y)
        return self.of_data.energy(x)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E/T with its base: see `NetEnergy`."""
        return self.of_data.neg_log_prob(x, y)

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """What chains move on: see `NetEnergy`."""
        return self.of_data.conditioned(y)

    @property
    def chain_temperature(self) -> float:
        """The temperature of chains on `conditioned`."""
        return self.of_data.chain_temperature

    def scale(self) -> float:
        """See `NetEnergy`."""
        return self.of_data.scale()


@dataclass(frozen=True)
class Generated:
    """Chains that begin at the generator, in eval mode.

    Args:
        module: what is kept still meanwhile.
        draws: `draws(n, rng)` are points `(n, *event)` of the generator.
    """

    module: nn.Module
    draws: Callable[[int, torch.Generator], Tensor]

    def draw(
        self, n: int, rng: torch.Generator, *, batch: Batch | None = None, y: Tensor | None = None
    ) -> BufferSample:
        """`n` fresh draws."""
        with frozen(self.module), torch.no_grad():
            return BufferSample(self.draws(n, rng), None, None, all_restarted(n, rng))

    def write(self, drawn: BufferSample, position: Position) -> None:
        """Nothing is kept."""
