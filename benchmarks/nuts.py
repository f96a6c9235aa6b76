"""Effective samples by gradient of NUTS, of this library and of blackjax: `python -m benchmarks.nuts`.

Both with the step size and the metric that `tune` of this library found, 64 chains from the same exact draws.
A chain's gradients are its own: chains in step, and chains under `vmap`, wait for the longest trajectory.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gibbsian.core.random import generator
from gibbsian.mcmc.base import run
from gibbsian.mcmc.nuts import NUTS
from gibbsian.mcmc.tuning import tune

from .hmc import judged
from .hmc_targets import Problem, problems

CHAINS = 64


def ours(problem: Problem, kernel: NUTS, draws: int, seed: int) -> tuple[Tensor, float, float]:
    """Positions `(draws, chains, d)`, gradients in all, seconds."""
    begun = time.perf_counter()
    chain = run(kernel, problem.energy, problem.start(CHAINS), steps=draws, rng=seed, thin=1)
    assert isinstance(chain.trace, Tensor) and chain.info.trajectory is not None
    return chain.trace, draws * float(chain.info.trajectory.sum()), time.perf_counter() - begun


def blackjax(problem: Problem, kernel: NUTS, draws: int, seed: int) -> tuple[Tensor, float, float]:
    """The same of blackjax."""
    import blackjax as bj
    import jax
    import jax.numpy as jnp

    assert kernel.metric is not None
    density = problem.twin()
    masses = jnp.asarray(kernel.metric[0].numpy())
    nuts = bj.nuts(density, kernel.step_size, masses, max_num_doublings=kernel.depth)
    states = jax.vmap(nuts.init)(jnp.asarray(problem.start(CHAINS).numpy()))

    def step(states: Any, key: Any) -> Any:
        states, info = jax.vmap(nuts.step)(jax.random.split(key, CHAINS), states)
        return states, (states.position, info.num_integration_steps.sum())

    chains = jax.jit(lambda key: jax.lax.scan(step, states, jax.random.split(key, draws))[1])
    jax.block_until_ready(chains(jax.random.key(99)))
    begun = time.perf_counter()
    positions, gradients = jax.block_until_ready(chains(jax.random.key(seed)))
    took = time.perf_counter() - begun
    return torch.from_numpy(np.array(positions)), float(gradients.sum()), took


def told(problem: Problem, found: list[tuple[Tensor, float, float]]) -> str:
    """What the rounds of a sampler came to."""
    judgements = [judged(problem, x) for x, _, _ in found]
    by_gradient = sorted(
        1000 * j["ess"] / gradients for j, (_, gradients, _) in zip(judgements, found, strict=True)
    )
    rates = sorted(j["ess"] / took for j, (_, _, took) in zip(judgements, found, strict=True))
    middle = len(found) // 2
    return (
        f"ESS by 1,000 gradients {by_gradient[middle]:.2f} ({by_gradient[0]:.2f} to {by_gradient[-1]:.2f}), "
        f"a second {rates[middle]:,.0f}, gradients a step {found[0][1] / len(found[0][0]) / CHAINS:.1f}, "
        f"rms z {max(j['rms_z'] for j in judgements):.2f}, R-hat {max(j['rhat'] for j in judgements):.3f}"
    )


def main() -> None:
    """A line for each target and sampler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for problem in problems():
        goal, x = max(problem.acceptance, 0.8), problem.start(CHAINS)
        kernel = tune(NUTS(0.1), problem.energy, x, generator(1), steps=300, target=goal, metric=True)
        for name, sampler in (("gibbsian", ours), ("blackjax", blackjax)):
            found = [sampler(problem, kernel, args.draws, seed) for seed in range(args.rounds)]
            print(f"{problem.name}, h {kernel.step_size:.3f}, {name}: {told(problem, found)}", flush=True)


if __name__ == "__main__":
    main()
