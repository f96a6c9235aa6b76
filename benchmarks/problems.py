"""What an implementation is given: chains to move, or training updates to make.

Problems are built anew, from one seed, as often as they are asked for: every implementation gets the very
same weights and starting points, and none can leave something behind for the next. Networks are untrained;
the time of a chain does not depend on where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from gibbsian.core.position import Position
from gibbsian.core.random import generator, seeded_init
from gibbsian.core.records import Batch
from gibbsian.data.settings import PixelConfig
from gibbsian.energies.latent import PullBack
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.contrastive_learner import ContrastiveLearner
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.models.igebm.learner import build as igebm
from gibbsian.nets.build import build
from gibbsian.nets.families import AnyNet
from gibbsian.objectives.settings import LossConfig
from gibbsian.starts.settings import StartConfig

SEED = 0
LATENT = 64


@dataclass(frozen=True, eq=False)
class Chains:
    """Langevin chains: `steps` steps from `x0` `(B, *event)` on `energy`, which holds all its parameters."""

    energy: nn.Module
    x0: Tensor
    steps: int
    step_size: float
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Updates:
    """`count` contrastive-divergence updates of `learner` on one `batch`: chains from the replay buffer,
    loss, backward, Adam. Chain and buffer are those of `learner.config`."""

    learner: ContrastiveLearner
    batch: Batch
    count: int
    lr: float = 1e-4


Problem: TypeAlias = Chains | Updates


def chains(
    net: AnyNet,
    event: tuple[int, ...],
    number: int,
    steps: int,
    step_size: float,
    noise: float,
    device: torch.device,
) -> Chains:
    """`number` chains on a network; `noise` is the standard deviation of a step's noise."""
    rng = generator(SEED)
    with seeded_init(rng):
        energy = build(net, event)
    x0 = start(number, event, rng)
    return Chains(energy.to(device), x0.to(device), steps, step_size, noise**2 / step_size)


def unfavoured(net: nn.Module) -> nn.Module:
    """`net` with its weights in torch's default memory format; `build` lays them out channels last."""
    return net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def start(number: int, event: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Normal points, or uniform pixels in [-1, 1]."""
    if len(event) == 1:
        return torch.randn(number, *event, generator=rng)
    return torch.rand(number, *event, generator=rng) * 2 - 1


class Pulled(nn.Module):
    """E(G(z)) + |z|^2/2 as a module, so that libraries which take modules only can run it too."""

    def __init__(self, energy: nn.Module, generator: nn.Module) -> None:
        super().__init__()
        self.energy, self.generator = energy, generator

    def forward(self, z: Position) -> Tensor:
        return PullBack(self.energy, self.generator)(z)


def image_generator() -> nn.Module:
    """A small generator after DCGAN, `(B, 64)` to `(B, 1, 28, 28)` in [-1, 1]."""
    return nn.Sequential(
        nn.Linear(LATENT, 64 * 7 * 7),
        nn.SiLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def latent_chains(
    net: AnyNet, event: tuple[int, ...], number: int, steps: int, step_size: float, device: torch.device
) -> Chains:
    """Chains on z through a generator and an energy of images, at temperature 1."""
    rng = generator(SEED)
    with seeded_init(rng):
        energy = Pulled(build(net, event), image_generator())
    return Chains(energy.to(device), start(number, (LATENT,), rng).to(device), steps, step_size)


def updates(
    net: AnyNet,
    event: tuple[int, ...],
    number: int,
    chain: ChainConfig,
    count: int,
    device: torch.device,
    capacity: int = 10_000,
) -> Updates:
    """`count` updates with `number` chains from a replay buffer: plain contrast, nothing added to data."""
    rng = generator(SEED)
    config = IGEBMConfig(
        net=net,
        chain=chain,
        start=StartConfig(kind="persistent", capacity=capacity, reinit=0.05),
        pixels=PixelConfig(-1.0, 1.0),
        loss=LossConfig(),
    )
    learner = igebm(config, event, rng)
    return Updates(learner.to(device), Batch(start(number, event, rng).to(device)), count)
