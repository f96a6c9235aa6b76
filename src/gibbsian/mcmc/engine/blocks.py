"""The steps of one run in compiled blocks, slice by slice of its chains.

Blocks are made by packages on CPUs (`packaged`) and by graphs elsewhere (`graphs`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.draws import Request, draw_steps
from ...core.energy import Energy
from ...core.errors import GibbsianError
from ...core.position import leaves
from ..kernel import Kernel
from ..reports import ChainInfo, InfoAccumulator
from ..state import ChainState, Trace
from .engine import ENGINE, Engine
from .graph_key import block_length, graph_key
from .graphed import Graphed
from .graphs import Part, Sums, block
from .inputs import in_graph, is_fixed, is_steady
from .noise import missing_parts, traced_requests
from .packaged import Packaged
from .pieces import ALL, cut, joined, noise_of
from .program import Unwritable
from .slices import Sliced


class Blocks:
    """Makes the steps of one run in compiled blocks of `length` steps, where `ready` says so.

    Args:
        engine: keeps what outlives the run, none for that of the process.
        steps: the longest block that the run can use.
        gradients: how many the run will take.
        replay: whether the energy may be traced instead of called.
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
        gradients: int,
        replay: bool,
        thin: int,
        auto: bool,
    ) -> None:
        self.engine, self.kernel, self.energy = engine or ENGINE, kernel, energy
        self.thin, self.auto = thin, auto
        self.length = length = block_length(kernel, energy, steps, thin, self.engine.longest)
        first = leaves(state.position)[0]
        device, self.chains = first.device, len(first)
        # A graph for each slice: a loop over slices inside one graph would hold them all at once.
        self.parts = energy.parts(state.position) if isinstance(energy, Sliced) else [(ALL, energy)]
        self.first = in_graph(kernel, state)
        self.steady = is_steady(kernel)
        # Positions are kept inside a block if it holds several of them, else only after it.
        self.inside = thin if thin and length % thin == 0 else 0
        self.key = (*graph_key(self.first, energy, state, length), self.steady, self.inside)
        self.requests: list[Request] | None = None
        packaged = device.type == "cpu" and self.engine.compiler is None
        self.worth = first.numel() > 0 and (not packaged or (replay and gradients >= self.engine.fewest))
        if packaged and self.worth and not is_fixed(kernel) and self.engine.allows(self.key):
            why = "its kernel is no frozen dataclass, and may change from step to step"
            self.engine.give_up(self.key, Unwritable(why))
        maker = Packaged if packaged else Graphed
        self.maker = maker(self.engine, self.key, length, self.inside, auto=auto)

    def ready(self, state: ChainState, made: int, left: int, rng: torch.Generator) -> bool:
        """Whether the steps after `made` can be a block: enough are left, it skips no position to be kept, it
        may be compiled, its noise is known, and what makes it is there."""
        fits = left >= self.length and (not self.thin or made % min(self.thin, self.length) == 0)
        if not (fits and self.worth and self.engine.allows(self.key) and self.maker.wanted()):
            return False
        try:
            if self.requests is None:
                self.requests = self.engine.requests_for(
                    (*self.key, missing_parts(state)),
                    lambda: traced_requests(self.first, self.energy, state, rng),
                    anew=not is_fixed(self.kernel),
                )
            return self.requests is not None and self.maker.found(
                self.first, lambda: self._parts(state), self.requests, self.chains
            )
        except GibbsianError:
            raise
        except Exception as error:  # an error of the energy's own comes again without a graph
            self.engine.give_up(self.key, error)
            return False

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
        noise = draw_steps(self.requests, rng, self.length)
        kernels = [self._kernel(state, k) for k in range(self.length)]
        new, divergent, sums, kept = joined(
            [
                self._call(k, part, state.count, kernels, self._noise(noise, rows))
                for k, (part, (rows, _)) in enumerate(zip(self._parts(state), self.parts, strict=True))
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

    def _noise(self, noise: list[list[Tensor]], rows: slice) -> list[list[Tensor]]:
        return [[noise_of(n, rows, self.chains) for n in drawn] for drawn in noise]

    def _parts(self, state: ChainState) -> list[Part]:
        # The count is a number in the state, hence a constant of a graph: it must not change.
        return [(energy, cut(state, rows)._replace(count=0)) for rows, energy in self.parts]

    def _call(self, k: int, part: Part, made: int, kernels: list[Kernel], noise: list[list[Tensor]]) -> Sums:
        """A block of the chains of one part after `made` steps, compiled if that goes well."""
        if self.engine.allows(self.key):
            try:
                done = self.maker(k, kernels, part, noise)
                self.engine.blocks += 1
                return done
            except GibbsianError:
                raise
            except Exception as error:  # whatever the compiler dislikes, the chain goes on
                self.engine.give_up(self.key, error)
        # The noise is drawn already: the chain goes on with it, now and not again from the generator.
        energy, state = part
        state = state._replace(count=made)
        return block(energy, [self.kernel] * self.length, state, noise, self.inside)

    def _kernel(self, state: ChainState, k: int) -> Kernel:
        return self.first if self.steady else in_graph(self.kernel, state, k)
