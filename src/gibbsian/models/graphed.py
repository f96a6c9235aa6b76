"""Chain ends whose last step, or every step, keeps its graph: gradients reach the weights through x_K.

    K - 1 steps under `frozen`      all chains, no graph, compiled where that is asked for
    the last step                   R chains with the graph to live weights, in eval mode; the others without

The parts follow one another on one random stream, so with a graph for all chains they end where one plain
chain of K steps ends: bit for bit on a CPU, unless torch has another formula for a gradient that is to be
differentiated in turn (swish), whose rounding then differs. Memory for the graph grows with R, and with K
where every step keeps it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.position import batch_size, cat, detach, finite, rows, where
from ..mcmc.base import Chain, ChainState, ChainSummary, Kernel, run
from ..nets.frozen import evaluating, frozen
from ..starts.base import BufferSample, Start
from ..starts.noise import redraw
from .contrastive import ChainEnds
from .model import EnergyModel
from .sampler import RunOptions

Through: TypeAlias = Literal["last", "all"]


class GraphedEnds(NamedTuple):
    """`ends`, as of plain chains and without a graph, and `x` `(R', *event)`, finite ends with their graph.

    `x` are those of the first R chains that were finite before the graph began, and nothing where one of them
    left the finite world inside it: its gradient would not be finite either.
    """

    ends: ChainEnds
    x: Tensor


def graphed_chain_ends(
    model: EnergyModel,
    start: BufferSample,
    kernel: Kernel,
    steps: int,
    rng: torch.Generator,
    options: RunOptions,
    *,
    init_noise: Start,
    through: Through = "last",
    first: int = 0,
) -> GraphedEnds:
    """Run the chains of one update, of which some keep a graph from the last step or from all steps.

    Non-finite ends are drawn anew and counted, as in `contrastive.chain_ends`, which says what the other
    arguments mean.

    Args:
        model: one without labels.
        init_noise: draws what replaces ends that are not finite.
        through: "last" keeps the graph of the last step, "all" of every step.
        first: how many chains keep a graph, the first ones of `start`; 0 for all.
    """
    # Two runs from one stream of noise: the steps before the graph, without its memory, then those inside it.
    live = 1 if through == "last" else steps
    energy = model.conditioned()
    early = _plain(model, energy, kernel, ChainState(start.position), steps - live, rng, options)
    lost = ~finite(early.position)
    begin = early.state._replace(position=redraw(early.position, lost, init_noise, rng))
    n = batch_size(begin.position)
    split = min(first or n, n)
    with evaluating(model):
        graphed = run(
            kernel,
            energy,
            _rows(begin, slice(split)),
            steps=live,
            rng=rng,
            evaluate=False,
            precision=options.precision,
            differentiable=through,
        )
    late = [graphed]
    if split < n:
        late.append(_plain(model, energy, kernel, _rows(begin, slice(split, n)), live, rng, options))
    end = where(lost, early.position, cat([detach(chain.position) for chain in late]))
    bad = ~finite(end)
    whole = Chain(end, None, ChainState(end, count=steps), None, None, _report(early, late))
    x = cast(Tensor, graphed.position)
    # One chain that breaks inside the graph makes the gradient of all weights non-finite: drop them all.
    broke = bool((bad & ~lost)[:split].any())
    kept = x[:0] if broke else x[~lost[:split]]
    return GraphedEnds(ChainEnds(cast(Tensor, redraw(end, bad, init_noise, rng)), whole, bad), kept)


def _plain(
    model: EnergyModel,
    energy: Energy,
    kernel: Kernel,
    state: ChainState,
    steps: int,
    rng: torch.Generator,
    options: RunOptions,
) -> Chain:
    with frozen(model):
        return run(kernel, energy, state, steps=steps, rng=rng, evaluate=False, **options.arguments)


def _rows(state: ChainState, index: slice) -> ChainState:
    return state._replace(position=rows(state.position, index))


def _report(early: Chain, late: list[Chain]) -> ChainSummary:
    """The reports of all parts as of one chain; `drift_noise`, a ratio, is averaged."""
    info = late[0].info
    for chain in late[1:]:
        info = beside(info, chain.info)
    return _after(early.info, info)


def beside(one: ChainSummary, two: ChainSummary) -> ChainSummary:
    """Two sets of chains that made the same steps."""
    n, m = len(one.divergent), len(two.divergent)

    def mean(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        return None if a is None or b is None else (n * a + m * b) / (n + m)

    return replace(
        one,
        divergent=torch.cat([one.divergent, two.divergent]),
        drift=None if one.drift is None or two.drift is None else torch.cat([one.drift, two.drift]),
        drift_noise=mean(one.drift_noise, two.drift_noise),
        clipped=mean(one.clipped, two.clipped),
        saturated=mean(one.saturated, two.saturated),
    )


def _after(one: ChainSummary, two: ChainSummary) -> ChainSummary:
    """Chains that made the steps of `one`, perhaps none, and then those of `two`."""
    n, m = one.steps, two.steps

    def mean(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        return b if a is None or b is None else (n * a + m * b) / (n + m)

    return replace(
        two,
        divergent=one.divergent | two.divergent,
        drift=mean(one.drift, two.drift),
        drift_noise=mean(one.drift_noise, two.drift_noise),
        clipped=mean(one.clipped, two.clipped),
        saturated=mean(one.saturated, two.saturated),
        steps=n + m,
        gradients=one.gradients + two.gradients,
    )
