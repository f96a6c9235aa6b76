"""The steps of one run in compiled blocks, slice by slice of its chains."""

from __future__ import annotations

from dataclasses import is_dataclass

import torch
from torch import Tensor

from ...core.draws import Request, draw
from ...core.energy import Energy
from ...core.errors import GibbsianError
from ...core.position import leaves
from ..kernel import Kernel
from ..reports import ChainInfo, InfoAccumulator
from ..state import ChainState, Trace
from .engine import ENGINE, Engine
from .graph_key import block_length, graph_key
from .graphs import Sums, block
from .inputs import in_graph, is_steady
from .noise import missing_parts, traced_requests
from .pieces import ALL, cut, joined, pick
from .slices import Sliced


class Blocks:
    """Makes the steps of one run in compiled blocks of `length` steps, where `ready` says so.

    Args:
        engine: keeps what outlives the run, none for that of the process.
        steps: the longest block that the run can use.
        thin: every how many steps a position is kept, 0 for none.
        auto: compile only once chains of this key have made many steps without a graph.
    """

    def __init__(
        self,
        engine: Engine | None,
        kernel: Kernel,
        energy: Energy,
        state: ChainState,
        *,
        steps: int,
        thin: int,
        auto: bool,
    ) -> None:
        self.engine, self.kernel, self.energy = engine or ENGINE, kernel, energy
        self.thin, self.auto = thin, auto
        self.length = length = block_length(kernel, energy, steps, thin, self.engine.longest)
        self.device = leaves(state.position)[0].device
        # A graph for each slice: a loop over slices inside one graph would hold them all at once.
        self.parts = energy.parts(state.position) if isinstance(energy, Sliced) else [(ALL, energy)]
        self.first = in_graph(kernel, state)
        self.steady = is_steady(kernel)
        # Positions are kept inside a block if it holds several of them, else only after it.
        self.inside = thin if thin and length % thin == 0 else 0
        self.key = (*graph_key(self.first, energy, state, length), self.steady, self.inside)
        self.requests: list[Request] | None = None

    def ready(self, state: ChainState, made: int, left: int, rng: torch.Generator) -> bool:
        """Whether the steps after `made` can be a block: enough are left, it skips no position to be kept, it
        may be compiled, and its noise is known."""
        fits = left >= self.length and (not self.thin or made % min(self.thin, self.length) == 0)
        wanted = not self.auto or self.engine.auto_is_due(self.key)
        if not (fits and wanted and self.engine.allows(self.key)):
            return False
        if self.requests is None:
            self.requests = self.engine.requests_for(
                (*self.key, missing_parts(state)),
                lambda: self._traced(state, rng),
                anew=not is_dataclass(self.kernel),  # such a kernel may change unseen
            )
        return self.requests is not None

    def made_eagerly(self) -> None:
        """Note that the run has made a step by itself."""
        if self.auto:
            self.engine.made_eagerly(self.key)

    def advance(
        self, state: ChainState, made: int, rng: torch.Generator, total: InfoAccumulator, trace: Trace
    ) -> tuple[ChainState, ChainInfo]:
        """The state after a block that follows `made` steps, and the mean report of its steps.

        The sums of the reports go to `total`, positions to be kept to `trace`.
        """
        assert self.requests is not None
        # Step by step, as without a graph: the generator ends where it would have ended.
        noise = [draw(self.requests, rng) for _ in range(self.length)]
        new, divergent, sums, kept = joined(
            [
                self._call(energy, cut(state, part), [[pick(n, part) for n in drawn] for drawn in noise])
                for part, energy in self.parts
            ]
        )
        total.merge(self.length, divergent, sums)
        if self.inside:
            trace.extend(kept)
        else:
            trace.add(new, made + self.length)
        means = {name: number / self.length for name, number in sums.items()}
        report = ChainInfo(means.pop("acceptance", None), divergent, **means)
        return new._replace(count=state.count + self.length), report

    def _call(self, energy: Energy, state: ChainState, noise: list[list[Tensor]]) -> Sums:
        """A block, compiled if that goes well."""
        if self.engine.allows(self.key):
            try:
                kernels = [self._kernel(state, k) for k in range(self.length)]
                # The count is a number in the state, hence a constant of the graph: it must not change.
                start = state._replace(count=0)
                graphs = self.engine.graphs_for(self.key, self.device)
                return graphs(energy, kernels, start, noise, self.inside)
            except GibbsianError:
                raise
            except Exception as error:  # whatever the compiler dislikes, the chain goes on
                self.engine.give_up(self.key, error)
        # The noise is drawn already: the chain goes on with it, now and not again from the generator.
        return block(energy, [self.kernel] * self.length, state, noise, self.inside)

    def _kernel(self, state: ChainState, k: int) -> Kernel:
        return self.first if self.steady else in_graph(self.kernel, state, k)

    def _traced(self, state: ChainState, rng: torch.Generator) -> list[Request] | None:
        try:
            return traced_requests(self.first, self.energy, state, rng)
        except GibbsianError:
            raise
        except Exception as error:  # an error of the energy's own comes again without a graph
            self.engine.give_up(self.key, error)
            return None
