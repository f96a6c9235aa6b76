"""The section `hmc`: effective samples per second of tuned HMC, by this library and by blackjax.

    rate = (smallest bulk ESS over all ranks and squared ranks) / seconds of sampling

Samplers take turns within each round, in rotated order, each with another seed every round; all begin at
the same exact draws of the target. Tuning and the first call, which compiles, are timed apart. A rate counts
only among samplers that are right: z-scores against the exact answers stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.metrics.chains import ess, rhat

from .chains import Warnings
from .hmc_samplers import JITTER, Sampler, blackjax, missing, ours
from .hmc_show import plot, table
from .hmc_targets import Problem, problems
from .timing import seconds

__all__ = ["Settings", "judged", "measure", "plot", "table"]

Notify = Callable[[str], None]
PEER = "blackjax"
WORST = 10


@dataclass(frozen=True)
class Settings:
    """What is measured: every problem with every number of chains in `draws`, which maps it to the number
    of trajectories; `warmup` trajectories of tuning; `compiled`, the compiled path too.

    Raises:
        UsageError: for less than 20 trajectories of tuning, or less than 8 draws.
    """

    problems: tuple[Problem, ...] = field(default_factory=lambda: tuple(problems()))
    draws: Mapping[int, int] = field(default_factory=lambda: {64: 1000, 1024: 200})
    warmup: int = 500
    compiled: bool = True

    def __post_init__(self) -> None:
        if self.warmup < 20 or min(self.draws.values()) < 8:
            raise UsageError(
                f"warmup is {self.warmup} and draws are {dict(self.draws)}: at least 20 to tune and 8 to keep"
            )


def measure(*, rounds: int, notify: Notify, settings: Settings | None = None) -> dict[str, Any]:
    """Every case, as plain JSON: `{"rounds", "warmup", "jitter", "absent", "cases"}`.

    A case holds for each sampler lists with one entry a round (`judged`, and `seconds`) and its `step_size`,
    `tuning` and `first` (seconds). `notify` gets a line now and then. Raises `UsageError` for less than
    one round.
    """
    settings = settings or Settings()
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}: at least 1; 5 or more for a figure worth quoting")
    absent = {PEER: missing()} if missing() else {}
    for name, reason in absent.items():
        notify(f"without {name}: {reason}")
    cases = [
        _case(problem, chains, draws, rounds, settings, notify)
        for problem in settings.problems
        for chains, draws in settings.draws.items()
    ]
    return {
        "rounds": rounds,
        "warmup": settings.warmup,
        "jitter": JITTER,
        "absent": absent,
        "cases": {f"{c['target']}, {c['chains']:,} chains": c for c in cases},
    }


def judged(problem: Problem, positions: Tensor) -> dict[str, float]:
    """What draws `(draws, chains, d)` are worth: `ess`, `rhat`, `error`, `rms_z`, `max_z`.

    Of the ranks and of their squared distance from 1/2: location and scale of every coordinate. `ess` (bulk)
    and `rhat` are the worst ones, looked for among the 10 quantities whose mean is known least well. `error`
    is the root mean square error of the mean rank, in standard deviations; `rms_z` is about 1 if a sampler
    is as right as it claims.
    """
    u = problem.ranks(positions.transpose(0, 1))
    both = torch.cat([u, (u - 0.5).square()], dim=-1)
    sizes = torch.cat([ess(part, "mean") for part in both.split(20, dim=-1)])
    worst = both[..., sizes.argsort()[:WORST]]
    exact = torch.tensor([0.5, 1 / 12], dtype=both.dtype).repeat_interleave(u.shape[-1])
    off = (both.mean((0, 1)) - exact) / both.flatten(0, 1).std(0)
    z = off * sizes.sqrt()
    return {
        "ess": float(ess(worst).min()),
        "rhat": float(rhat(worst).max()),
        "error": float(off[: u.shape[-1]].square().mean().sqrt()),
        "rms_z": float(z.square().mean().sqrt()),
        "max_z": float(z.abs().max()),
    }


def _case(
    problem: Problem, chains: int, draws: int, rounds: int, settings: Settings, notify: Notify
) -> dict[str, Any]:
    head = f"{problem.name}, {chains:,} chains"
    notify(f"{head}: tuning and first calls")
    samplers = _samplers(problem, chains, draws, settings)
    with Warnings() as warned:
        found = {n: _opened(s) for n, s in samplers.items()}
    for k in range(rounds):
        notify(f"{head}: round {k + 1} of {rounds}")
        _round(problem, samplers, found, k)
    return {
        "target": problem.name,
        "about": problem.about,
        "leapfrogs": problem.leapfrogs,
        "acceptance": problem.acceptance,
        "chains": chains,
        "draws": draws,
        "samplers": found,
        "notes": warned.texts,
    }


def _samplers(problem: Problem, chains: int, draws: int, settings: Settings) -> dict[str, Sampler]:
    start = problem.start(chains)
    found = ours(problem, start, draws, settings.warmup, compiled=settings.compiled)
    if not missing():
        found[PEER] = blackjax(problem, start, draws, settings.warmup)
    return found


def _opened(sampler: Sampler) -> dict[str, Any]:
    """The record of a sampler after its first call."""
    first = seconds(lambda: sampler.sample(0))
    return {"step_size": sampler.step_size, "tuning": sampler.tuning, "first": first}


def _round(
    problem: Problem, samplers: Mapping[str, Sampler], found: Mapping[str, dict[str, Any]], k: int
) -> None:
    """One turn of each sampler, noted in its lists."""
    names = list(samplers)
    first = k % len(names)
    for name in names[first:] + names[:first]:
        sampler, made = samplers[name], []
        taken = seconds(lambda: made.append(sampler.sample(k + 1)))  # noqa: B023, called at once
        positions, acceptance = sampler.read(made.pop())
        numbers = {"seconds": taken, "acceptance": acceptance, **judged(problem, positions)}
        for key, number in numbers.items():
            found[name].setdefault(key, []).append(number)
