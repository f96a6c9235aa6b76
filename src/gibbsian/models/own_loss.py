"""A paper from one function: a loss of one's own with the trainer, monitor and sampler of all the others.

    def smoothed(model, batch, rng):
        return gb.denoising_score_matching(model.energy, batch.x, sigma=0.2, rng=rng)

    gb.fit(smoothed, x, net=net)                              in Python
    gibbsian train my_file.py:smoothed --data digits          on the command line

`smoothed.claims_density = True` says that it fits E/T to be -log p(x), which kernels such as MALA sample.
A loss that keeps chains, settings or a second network of its own is a `Learner` (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..data.settings import PixelConfig
from ..mcmc.settings import ChainConfig
from ..nets.families import AnyNet
from ..nets.settings import MLPConfig
from ..starts.noise import UniformNoise
from .chain_sampler import chain_sampler
from .learner import Learner
from .net_energy import NetEnergy
from .networks import data_spec, energy_net

OwnLoss = Callable[[NetEnergy, Batch, torch.Generator], Tensor | Loss]
PRESETS = {"toy": {"pixels": {"low": -2.5, "high": 2.5}}}


@dataclass(frozen=True)
class OwnLossConfig:
    """Settings of a model that a loss of one's own trains."""

    takes_condition: ClassVar[bool] = True
    """Conditions come as `batch.y`."""
    net: AnyNet = field(default_factory=lambda: MLPConfig(hidden=(256, 256), activation="swish"))
    chain: ChainConfig = ChainConfig(steps=500, step_size=0.02, noise=0.02**0.5)
    """The sampling chain from uniform noise, at temperature 1 by default."""
    pixels: PixelConfig = field(default_factory=PixelConfig)


class OwnLossLearner(Learner):
    """One optimiser step of the network by the loss of each batch."""

    model: NetEnergy

    def __init__(self, config: OwnLossConfig, model: NetEnergy, loss: OwnLoss) -> None:
        super().__init__(config, model)
        self.loss = loss

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the network."""
        return {"energy": self.model}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """What the function returns; raises `UsageError` where that is no scalar with a gradient."""
        found = self.loss(self.model, batch, rng)
        loss = found if isinstance(found, Loss) else Loss(found)
        if not isinstance(loss.value, Tensor) or loss.value.ndim or not loss.value.requires_grad:
            raise UsageError(
                f"the loss {named(self.loss)} returned {_shown(loss.value)}: it must return one number that "
                "depends on the network, such as model.energy(batch.x).mean()"
            )
        yield "energy", loss


def build(
    loss: OwnLoss,
    config: OwnLossConfig,
    event_shape: tuple[int, ...],
    rng: torch.Generator,
    net: nn.Module | None = None,
) -> OwnLossLearner:
    """The learner of an energy network, which samples by chains from uniform noise."""
    spec = data_spec(config, event_shape)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
    model = NetEnergy(net, spec, temperature=config.chain.temperature)
    model.claims_density = bool(getattr(getattr(loss, "func", loss), "claims_density", False))
    noise = UniformNoise(event_shape, spec.low, spec.high)
    model.samplers["default"] = chain_sampler(model, config.chain, noise)
    return OwnLossLearner(config, model, loss)


def builder(loss: OwnLoss) -> Callable[..., Any]:
    """`build` for one loss."""
    return partial(build, loss)


def named(loss: Callable[..., Any]) -> str:
    """The name of a function, of the one that a `partial` calls, or of the class of a callable."""
    found = getattr(loss, "__name__", None) or getattr(getattr(loss, "func", loss), "__name__", None)
    return str(found or type(loss).__name__).strip("<>")


def _shown(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"a tensor of shape {tuple(value.shape)}" + ("" if value.requires_grad else " without a gradient")
