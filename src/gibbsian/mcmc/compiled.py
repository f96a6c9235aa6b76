"""Several steps of a chain in one compiled graph: the same chain within rounding, in less time.

A small network spends most of a step on overhead between operations, a wide one on moving activations
through memory between them. A graph of several steps has little of either. What makes it one graph:
the gradient is taken by `torch.func.grad` (see `core.energy`), and the noise is drawn before, from the
same stream and in the same order as without a graph (see `core.draws`).

Nothing here can change a law or lose a chain. Where there is no compiler, or an energy cannot be traced,
one log line says so and the same steps are made without a graph, on the same noise. The numbers of a
schedule are inputs of the graph: they compile it no second time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.draws import Request, draw
from ..core.energy import Energy
from ..core.errors import GibbsianError
from ..core.position import cat, leaves, tree_map
from ..energies.sliced import Sliced
from .graphs import LangevinInGraph, Sums, block, compiled, forget, graphs_made
from .kernel import Kernel
from .kinds import block_length, signature
from .langevin import Langevin
from .payoff import Payoff, name_of
from .rehearse import outline, rehearse
from .state import ChainInfo, ChainState, Tally, Trace

log = logging.getLogger("gibbsian")

ALL = slice(None)
ANY = ("every kind of chain",)
NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing")


class Blocks:
    """Makes the steps of one run in compiled blocks of `length` steps, slice by slice of the chains.

    With `auto`, only once they will pay; the loop tells of its own steps by `stepped`.
    """

    def __init__(
        self, kernel: Kernel, energy: Energy, state: ChainState, *, steps: int, thin: int, auto: bool
    ) -> None:
        self.kernel, self.energy, self.thin = kernel, energy, thin
        self.length = length = block_length(kernel, energy, steps, thin)
        self.device = leaves(state.position)[0].device
        self.parts = energy.parts(state.position) if isinstance(energy, Sliced) else [(ALL, energy)]
        self.first = stationary(kernel, state)
        self.steady = not isinstance(kernel, Langevin) or kernel.steady
        self.inside = thin if thin and length % thin == 0 else 0
        self.key = (*signature(self.first, energy, state, length), self.steady, self.inside)
        self.requests: list[Request] | None = None
        self.payoff = payoff(self.key) if auto else None
        self.since = 0.0

    def ready(self, state: ChainState, made: int, left: int, rng: torch.Generator) -> bool:
        """Whether the steps after `made` can be a block: enough are left, it skips no position to be kept, it
        pays, and its noise is known."""
        fits = left >= self.length and (not self.thin or made % min(self.thin, self.length) == 0)
        yes = fits and not self.broken and (self.payoff is None or self.payoff.pays(left))
        if yes and self.requests is None:
            asked = (*self.key, outline(state))
            if asked not in _REQUESTS or not is_dataclass(self.kernel):
                _REQUESTS[asked] = self._rehearse(state, rng)
            self.requests = _REQUESTS[asked]
        self.since = time.perf_counter()
        return yes and self.requests is not None

    @property
    def broken(self) -> bool:
        """Whether compiling chains of this kind, or any chain, has failed."""
        return self.key in _BROKEN or ANY in _BROKEN

    def stepped(self) -> None:
        """Note that the loop has made a step by itself since `ready`."""
        if self.payoff is not None:
            self._wait()
            self.payoff.eager_step(time.perf_counter() - self.since)

    def advance(
        self, state: ChainState, made: int, rng: torch.Generator, tally: Tally, trace: Trace
    ) -> tuple[ChainState, ChainInfo]:
        """The state after a block that follows `made` steps, and the mean report of its steps.

        The sums of the reports go to `tally`, positions to be kept to `trace`.
        """
        assert self.requests is not None
        begin, before = time.perf_counter(), graphs_made()
        numbers = [draw(self.requests, rng) for _ in range(self.length)]
        done = [
            self._call(energy, cut(state, part), [[pick(n, part) for n in drawn] for drawn in numbers])
            for part, energy in self.parts
        ]
        new, divergent, sums, kept = done[0] if len(done) == 1 else joined(done)
        tally.merge(self.length, divergent, sums)
        if self.inside:
            trace.extend(kept)
        else:
            trace.add(new, made + self.length)
        if self.payoff is not None and not self.broken:
            self._wait()
            started = graphs_made() > before
            self.payoff.compiled_block(time.perf_counter() - begin, self.length, started=started)
        means = {name: total / self.length for name, total in sums.items()}
        report = ChainInfo(means.pop("acceptance", None), divergent, **means)
        return new._replace(count=state.count + self.length), report

    def _call(self, energy: Energy, state: ChainState, numbers: list[list[Tensor]]) -> Sums:
        """A block, compiled if that goes well."""
        if not self.broken:
            try:
                kernels = [self._kernel(state, k) for k in range(self.length)]
                start = state._replace(count=0)
                return compiled(self.key, self.device)(energy, kernels, start, numbers, self.inside)
            except GibbsianError:
                raise
            except Exception as error:  # whatever the compiler dislikes, the chain goes on
                self._give_up(error)
        return block(energy, [self.kernel] * self.length, state, numbers, self.inside)

    def _wait(self) -> None:
        """Let a CUDA device finish, where times are taken."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _kernel(self, state: ChainState, k: int) -> Kernel:
        return self.first if self.steady else stationary(self.kernel, state, k)

    def _rehearse(self, state: ChainState, rng: torch.Generator) -> list[Request] | None:
        try:
            return rehearse(self.first, self.energy, state, rng)
        except GibbsianError:
            raise
        except Exception as error:  # an error of the energy's own comes again without a graph
            self._give_up(error)
            return None

    def _give_up(self, error: Exception) -> None:
        absent = type(cause(error)).__name__ in NO_COMPILER
        _BROKEN.add(ANY if absent else self.key)
        forget(self.key)
        log.warning("chains run without compilation: %s", reason(cause(error)))


def cut(state: ChainState, part: slice) -> ChainState:
    """The chains of a state at `part`, in plain layout: another one would need a graph of its own."""
    kept = (None if p is None else tree_map(lambda a: pick(a, part).contiguous(), p) for p in state[:-1])
    return ChainState(*kept, state.count)  # type: ignore[arg-type, call-arg]


def pick(numbers: Tensor, part: slice) -> Tensor:
    """The rows of `numbers` at `part`."""
    return numbers if part == ALL else numbers[part]


def joined(done: Sequence[Sums]) -> Sums:
    """The slices of all chains side by side; shares, which are scalars, weighted by their chains."""
    states, divergent, sums, kept = zip(*done, strict=True)
    chains = torch.tensor([len(d) for d in divergent]) / len(torch.cat(divergent))
    totals = {name: _total([s[name] for s in sums], chains) for name in sums[0]}
    trace = [side_by_side(group) for group in zip(*kept, strict=True)]
    return side_by_side(states), torch.cat(divergent), totals, trace


def side_by_side(states: Sequence[ChainState]) -> ChainState:
    """One state of the chains of all."""
    groups = zip(*(s[:-1] for s in states), strict=True)
    parts = (None if group[0] is None else cat(list(group)) for group in groups)
    return ChainState(*parts, states[0].count)  # type: ignore[arg-type, call-arg]


def _total(numbers: list[Tensor], shares: Tensor) -> Tensor:
    if numbers[0].dim():
        return torch.cat(numbers)
    stacked = torch.stack(numbers)
    return (stacked * shares.to(stacked)).sum()


def stationary(kernel: Kernel, state: ChainState, later: int = 0) -> Kernel:
    """`kernel` as it stands `later` steps after `state`, its step size and noise given as tensors."""
    if not isinstance(kernel, Langevin):
        return kernel
    return LangevinInGraph.of(kernel, state.count + later, state.position)


def forget_failures() -> None:
    """Try again to compile what could not be compiled so far, and say so again if it fails."""
    _BROKEN.clear()


def payoff(key: tuple[Any, ...]) -> Payoff:
    """The one record of times for `key`."""
    if key not in _PAYOFFS:
        _PAYOFFS[key] = Payoff(name_of(key))
    return _PAYOFFS[key]


def cause(error: BaseException) -> BaseException:
    """What the compiler met, without the wrappers that it adds."""
    inner = getattr(error, "inner_exception", None)
    return cause(inner) if isinstance(inner, BaseException) else error


def reason(error: BaseException) -> str:
    """The first line that says something, and no stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]


_REQUESTS: dict[tuple[Any, ...], list[Request] | None] = {}
_PAYOFFS: dict[tuple[Any, ...], Payoff] = {}
_BROKEN: set[tuple[Any, ...]] = set()
