"""Who samples: HMC of this library, as it stands and compiled, and of blackjax.

All run the same algorithm in float32: a fresh velocity, a fixed number of leapfrog steps, one Metropolis
test, a diagonal metric, and a step size that each chain multiplies by a uniform from [.8, 1.2] at each
trajectory (so that no length resonates with the target). Each tunes step size and metric by its own tuner,
to the same acceptance, in the same number of trajectories: `tune` pools all chains, blackjax's
`window_adaptation` adapts each chain by itself. blackjax is vectorised over chains by `vmap`, its loop is a
`scan`, and the whole is one compiled function.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gibbsian.core.random import generator
from gibbsian.mcmc.base import Chain, run
from gibbsian.mcmc.hmc import HMC
from gibbsian.mcmc.tuning import tune

from .hmc_targets import Problem

JITTER = 0.2


@dataclass(frozen=True, eq=False)
class Sampler:
    """A tuned sampler. `sample(seed)` returns when the draws are there, `read` makes of them the positions
    `(draws, chains, d)` and the mean acceptance. `step_size` is the (geometric) mean over chains, with a
    metric of geometric mean 1; `tuning` the seconds of tuning, compilation included."""

    sample: Callable[[int], Any]
    read: Callable[[Any], tuple[Tensor, float]]
    step_size: float
    tuning: float


def ours(
    problem: Problem, start: Tensor, draws: int, warmup: int, *, compiled: bool = True
) -> dict[str, Sampler]:
    """Ours from `start` `(chains, d)`, eager and (if `compiled`) compiled, which share one tuning."""
    began = time.perf_counter()
    plain = HMC(0.1, leapfrogs=problem.leapfrogs)
    goal = problem.acceptance
    tuned = tune(plain, problem.energy, start, generator(1), steps=warmup, target=goal, metric=True)
    took = time.perf_counter() - began
    kernel = replace(tuned, jitter=JITTER)

    def sampler(compiled: bool) -> Sampler:
        def sample(seed: int) -> Chain:
            rng = generator(seed)
            return run(kernel, problem.energy, start, steps=draws, rng=rng, thin=1, compile=compiled)

        return Sampler(sample, _read, kernel.step_size, took)

    ways = {"gibbsian": False, "gibbsian compiled": True}
    return {name: sampler(way) for name, way in ways.items() if compiled or not way}


def blackjax(problem: Problem, start: Tensor, draws: int, warmup: int) -> Sampler:
    """blackjax's, in its own arrays."""
    import jax
    import jax.numpy as jnp

    density, x0 = problem.twin(), jnp.asarray(start.numpy())
    began = time.perf_counter()
    parameters = _adapted(problem, density, x0, warmup)
    h, metric = (jax.block_until_ready(parameters[k]) for k in ("step_size", "inverse_mass_matrix"))
    took = time.perf_counter() - began
    step = _trajectories(problem, density, h, metric)
    state = jax.vmap(lambda x: _start(x, density))(x0)

    @jax.jit
    def chains(key: Any) -> Any:
        return jax.lax.scan(step, state, jax.random.split(key, draws))[1]

    def sample(seed: int) -> Any:
        return jax.block_until_ready(chains(jax.random.key(seed)))

    spread = jnp.log(metric).mean(1) / 2
    size = math.exp(float((jnp.log(h) + spread).mean()))
    return Sampler(sample, _read_arrays, size, took)


def missing() -> str:
    """Why blackjax cannot run here, "" if it can."""
    absent = [name for name in ("jax", "blackjax") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed: pip install blackjax" if absent else ""


def _adapted(problem: Problem, density: Any, x0: Any, warmup: int) -> Any:
    """Step size and metric of each chain, as blackjax's guide to many chains has it."""
    import blackjax as bj
    import jax

    adaptation = bj.window_adaptation(
        bj.hmc,
        density,
        num_integration_steps=problem.leapfrogs,
        target_acceptance_rate=problem.acceptance,
        initial_step_size=0.1,
    )
    keys = jax.random.split(jax.random.key(1), len(x0))
    return jax.jit(jax.vmap(lambda key, x: adaptation.run(key, x, warmup)[0][1]))(keys, x0)


def _start(x: Any, density: Any) -> Any:
    import blackjax as bj

    return bj.hmc.init(x, density)


def _trajectories(problem: Problem, density: Any, h: Any, metric: Any) -> Callable[[Any, Any], Any]:
    """One trajectory of every chain, in the form that `scan` takes."""
    import blackjax as bj
    import jax

    kernel = bj.hmc.build_kernel()

    def one(key: Any, state: Any, size: Any, mass: Any) -> Any:
        for_step, for_kernel = jax.random.split(key)
        size = size * jax.random.uniform(for_step, minval=1 - JITTER, maxval=1 + JITTER)
        return kernel(for_kernel, state, density, size, mass, problem.leapfrogs)

    def step(state: Any, key: Any) -> Any:
        state, info = jax.vmap(one)(jax.random.split(key, len(h)), state, h, metric)
        return state, (state.position, info.acceptance_rate.mean())

    return step


def _read(chain: Chain) -> tuple[Tensor, float]:
    assert isinstance(chain.trace, Tensor) and chain.info.acceptance is not None
    return chain.trace, float(chain.info.acceptance.mean())


def _read_arrays(made: Any) -> tuple[Tensor, float]:
    import numpy as np

    positions, acceptance = made
    return torch.from_numpy(np.array(positions)), float(acceptance.mean())
