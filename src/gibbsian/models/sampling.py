"""The one loop that draws samples: the stages of a sampler, run in chunks with the model frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..mcmc.base import Chain, ChainInfo, ChainState, run
from ..nets.frozen import frozen
from .sampler import ChainStage, RunOptions, Sampler, Stages, next_stage

Observe = Callable[[int, ChainState, ChainInfo], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Samples:
    """What sampling returns.

    Attributes:
        x: data, `(n, *event_shape)`.
        y: labels `(n,)`, or none.
        energy: the energy that the last stage moved on, at its end, `(n,)`.
        chains: one chain a stage, in order: those of the first chunk, which with one chunk are all.
    """

    x: Tensor
    y: Tensor | None
    energy: Tensor
    chains: list[Chain]


def draw_samples(
    module: nn.Module,
    sampler: Sampler,
    n: int,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    steps: int | None = None,
    thin: int = 0,
    chunk: int = 512,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    observe: Observe | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Draw `n` samples of the model `module` by `sampler`, labels `y` `(n,)` being as they are.

    Chains run `chunk` at a time under `frozen(module)`; `thin` keeps every thin-th position in each
    chain's trace; `observe(step, state, info)` is called after every step (compiled chains then make one step
    a graph), `progress(done, steps)` of a stage now and then.

    Raises `UsageError` for fewer than 1 sample, or 1 step where `steps` is given.
    """
    if n < 1 or (steps is not None and steps < 1):
        raise UsageError(
            f"n is {n} and steps is {steps}: at least 1 sample is drawn, by chains of 1 step or more"
        )
    parts = []
    with frozen(module):
        for first in range(0, n, chunk):
            size = min(chunk, n - first)
            labels = None if y is None else y[first : first + size]
            stages = sampler.stages(size, rng, y=labels, steps=steps)
            parts.append(run_stages(stages, rng, options, thin=thin, observe=observe, progress=progress))
        x = torch.cat([sampler.decode(chains[-1].position) for chains in parts])
    energy = torch.cat([_final_energy(chains) for chains in parts])
    return Samples(x, y, energy, parts[0])


def run_stages(
    stages: Stages,
    rng: torch.Generator,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    *,
    thin: int = 0,
    observe: Observe | None = None,
    progress: Progress | None = None,
) -> list[Chain]:
    """Run the stages of a sampler, sending back where each ended. Returns one chain a stage."""
    chains: list[Chain] = []
    stage: ChainStage | None = next(stages, None)
    while stage is not None:
        chain = run(
            stage.kernel,
            stage.energy,
            stage.position,
            steps=stage.steps,
            rng=rng,
            thin=thin,
            observe=observe,
            progress=progress,
            **options.arguments,
        )
        chains.append(chain)
        stage = next_stage(stages, chain.position)
    return chains


def _final_energy(chains: list[Chain]) -> Tensor:
    energy = chains[-1].energy
    if energy is None:
        raise RuntimeError("a chain ended without its energy")
    return energy
