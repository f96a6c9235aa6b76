"""The same cases by other libraries, each in its fastest documented way and asked for nothing more.

Both take the drift's factor e and the noise of a step apart from it; in our convention

    e = s/2,   torchebm's noise_scale = sqrt(T),   ebmkit's noise_scale = sqrt(s T).

Energies of chains come in eval mode with frozen parameters, as the user of a trained model would pass
them. In training that is left to the library: ebmkit freezes, torchebm does not. Weights lie in torch's
default memory format, as in a network that was not built here (`problems.unfavoured`). Both draw their noise
from torch's global generator: run them inside `core.random.seeded_init`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from gibbsian.models.model import EnergyModel

from .problems import Chains, Updates, unfavoured


def torchebm_chains(problem: Chains) -> Callable[[], Tensor]:
    """torchebm's `LangevinDynamics`."""
    sampler = _torchebm_sampler(
        _torchebm_model(_trained(problem.energy)), problem.step_size, problem.temperature
    )
    return lambda: sampler.sample(x=problem.x0, n_steps=problem.steps)


def torchebm_updates(problem: Updates) -> Callable[[], Tensor]:
    """torchebm's `PersistentContrastiveDivergence`, whose sampler is its `LangevinDynamics`."""
    from torchebm.losses import PersistentContrastiveDivergence

    config = problem.learner.config
    model = _torchebm_model(unfavoured(network(problem.learner.model)))
    loss = PersistentContrastiveDivergence(
        model,
        _torchebm_sampler(model, config.chain.step_size, config.chain.temperature),
        k_steps=config.chain.steps,
        buffer_size=config.start.capacity,
        new_sample_ratio=config.start.reinit,
        init_steps=0,
        energy_reg_weight=0.0,
        device=problem.batch.x.device,
    )
    return _training(problem, lambda x: loss(x)[0])


def ebmkit_chains(problem: Chains) -> Callable[[], Tensor]:
    """ebmkit's `LangevinDynamics`."""
    energy = _trained(problem.energy)
    sampler = _ebmkit_sampler(problem.step_size, problem.temperature, problem.steps)
    return lambda: sampler.sample(energy, problem.x0)


def ebmkit_updates(problem: Updates) -> Callable[[], Tensor]:
    """ebmkit's `ContrastiveDivergence` with its `ReplayBuffer` and `LangevinDynamics`."""
    from ebm import ContrastiveDivergence, ReplayBuffer

    learner, config = problem.learner, problem.learner.config
    unfavoured(network(learner.model))
    rng = torch.Generator().manual_seed(0)

    def init_noise(shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=rng) * 2 - 1

    buffer = ReplayBuffer(
        config.start.capacity, learner.model.spec.event_shape, config.start.reinit, init_noise
    )
    sampler = _ebmkit_sampler(config.chain.step_size, config.chain.temperature, config.chain.steps)
    loss = ContrastiveDivergence(sampler, buffer)
    return _training(problem, lambda x: loss(learner.model.net, x).loss)


def _torchebm_model(net: nn.Module) -> Any:
    from torchebm.core import BaseModel

    class Model(BaseModel):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            energy: Tensor = self.net(x)
            return energy

    return Model()


def _torchebm_sampler(model: Any, step_size: float, temperature: float) -> Any:
    from torchebm.samplers import LangevinDynamics

    return LangevinDynamics(model, step_size=step_size / 2, noise_scale=math.sqrt(temperature))


def _ebmkit_sampler(step_size: float, temperature: float, steps: int) -> Any:
    from ebm import LangevinDynamics

    return LangevinDynamics(step_size / 2, steps, noise_scale=math.sqrt(step_size * temperature))


def _trained(energy: nn.Module) -> nn.Module:
    return unfavoured(energy).eval().requires_grad_(False)


def _training(problem: Updates, loss: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
    """The loop of a tutorial: loss, zero, backward, Adam; it returns the last loss."""
    net = network(problem.learner.model).train()
    optimizer = torch.optim.Adam(net.parameters(), problem.lr)

    def call() -> Tensor:
        value = torch.zeros(())
        for _ in range(problem.count):
            value = loss(problem.batch.x)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
        return value.detach()

    return call


def network(model: EnergyModel) -> nn.Module:
    """The network of a model that has one."""
    return cast(nn.Module, model.net)
