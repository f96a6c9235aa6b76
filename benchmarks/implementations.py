"""Who runs a case: this library in four ways, a plain loop, and the peers.

An implementation turns a problem into a call without arguments that runs all of it once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import unknown
from gibbsian.core.random import generator
from gibbsian.mcmc.base import Precision, run
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.sampler import RunOptions
from gibbsian.nets.frozen import frozen
from gibbsian.train.settings import TrainConfig
from gibbsian.train.update import Step, Updater

from .peers import ebmkit_chains, ebmkit_updates, torchebm_chains, torchebm_updates
from .problems import SEED, Chains, Problem, Updates, unfavoured

Call = Callable[[], Tensor]
Kind = Literal["ours", "plain", "peer"]


@dataclass(frozen=True)
class Implementation:
    """One who runs cases. `module` must be importable; `updates` is None where it does not train."""

    name: str
    about: str
    kind: Kind
    chains: Callable[[Chains], Call]
    updates: Callable[[Updates], Call] | None = None
    module: str = ""
    compiled: bool = False
    precision: Precision = "fp32"

    def prepare(self, problem: Problem) -> Call | None:
        """A call that runs the whole problem; None if this is not for it."""
        if isinstance(problem, Chains):
            return self.chains(problem)
        return None if self.updates is None else self.updates(problem)

    def missing(self) -> str:
        """Why it cannot run here, "" if it can."""
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"{self.name} is not installed (benchmarks/setup.sh makes an environment that has it)"
        return ""


def our_chains(problem: Chains, *, compiled: bool = False, precision: Precision = "fp32") -> Call:
    """`run` under `frozen`, as samplers run their chains."""
    kernel = Langevin(problem.step_size, problem.temperature)
    rng = generator(SEED, problem.x0.device)

    def call() -> Tensor:
        with frozen(problem.energy):
            chain = run(
                kernel,
                problem.energy,
                problem.x0,
                steps=problem.steps,
                rng=rng,
                precision=precision,
                evaluate=False,
                compile=compiled,
            )
        assert isinstance(chain.position, Tensor)
        return chain.position

    return call


def own_chains(problem: Chains) -> Call:
    """`run` on a module as its owner has it: parameters that ask for gradients, torch's memory format."""
    kernel, rng = Langevin(problem.step_size, problem.temperature), generator(SEED, problem.x0.device)
    energy = unfavoured(problem.energy).train().requires_grad_(True)

    def call() -> Tensor:
        chain = run(kernel, energy, problem.x0, steps=problem.steps, rng=rng, evaluate=False)
        assert isinstance(chain.position, Tensor)
        return chain.position

    return call


def own_updates(problem: Updates) -> Call:
    """`our_updates` of a network whose weights lie in torch's memory format."""
    unfavoured(problem.learner)
    return our_updates(problem)


def our_updates(
    problem: Updates, *, compiled: bool = False, precision: Precision = "fp32", replay: bool = True
) -> Call:
    """Updates as `Trainer` makes them, without its logs, averages and pictures."""
    problem.learner.options = RunOptions(precision, "always" if compiled else "never", replay)
    config = TrainConfig(batch_size=len(problem.batch), lr=problem.lr)
    update = Updater(problem.learner, config, examine=lambda numbers: None)
    rng = generator(SEED, problem.batch.x.device)

    def call() -> Tensor:
        numbers: dict[str, float] = {}
        for k in range(problem.count):
            numbers = update(problem.batch, Step(k, problem.lr, rng))
        return torch.tensor(numbers["loss"])

    return call


def plain_chains(problem: Chains) -> Call:
    """What one writes by hand: eager autograd, frozen parameters, nothing watched."""
    rng, s = generator(SEED, problem.x0.device), problem.step_size
    energy = unfavoured(problem.energy).eval().requires_grad_(False)
    sigma = (s * problem.temperature) ** 0.5

    def call() -> Tensor:
        x = problem.x0
        for _ in range(problem.steps):
            grad = value_and_grad(energy, x)[1]
            assert isinstance(grad, Tensor)
            noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
            x = x - s / 2 * grad + sigma * noise
        return x

    return call


IMPLEMENTATIONS: dict[str, Implementation] = {
    c.name: c
    for c in (
        Implementation("gibbsian", "this library, eager, float32", "ours", our_chains, our_updates),
        Implementation(
            "own",
            "this library, eager, float32, on a module that was not built here",
            "ours",
            own_chains,
            own_updates,
        ),
        Implementation(
            "compiled",
            "this library with compile=True, float32, steady state",
            "ours",
            partial(our_chains, compiled=True),
            partial(our_updates, compiled=True),
            compiled=True,
        ),
        Implementation(
            "bf16",
            "this library, eager, bfloat16 autocast inside the network",
            "ours",
            partial(our_chains, precision="bf16"),
            partial(our_updates, precision="bf16"),
            precision="bf16",
        ),
        Implementation(
            "bf16-compiled",
            "both",
            "ours",
            partial(our_chains, compiled=True, precision="bf16"),
            partial(our_updates, compiled=True, precision="bf16"),
            compiled=True,
            precision="bf16",
        ),
        Implementation(
            "plain",
            "a loop by hand: eager autograd, frozen parameters, torch's default memory format",
            "plain",
            plain_chains,
        ),
        Implementation(
            "torchebm",
            "torchebm's LangevinDynamics; in training with its persistent contrastive divergence",
            "peer",
            torchebm_chains,
            torchebm_updates,
            module="torchebm",
        ),
        Implementation(
            "ebmkit",
            "ebmkit's LangevinDynamics; in training with its contrastive divergence and replay buffer",
            "peer",
            ebmkit_chains,
            ebmkit_updates,
            module="ebm",
        ),
    )
}


def select(names: list[str] | None) -> list[Implementation]:
    """The implementations called so, all of them by default; raises `UsageError` with the nearest name."""
    for name in names or ():
        if name not in IMPLEMENTATIONS:
            raise unknown("implementation", name, IMPLEMENTATIONS)
    return [c for c in IMPLEMENTATIONS.values() if names is None or c.name in names]
