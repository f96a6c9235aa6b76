"""The one loop that moves chains.

B chains move together, positions are `(B, *event)` or tuples of such tensors, and nothing is assumed of
the energy but that chains do not depend on one another.

Nothing in the loop waits for the device, and memory does not grow with the number of steps: reports
are summed as tensors, and positions are kept only where `thin` asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor

from ..core.energy import Energy, value
from ..core.errors import UsageError, unknown
from ..core.position import Position, batch_size, detach, leaves
from ..core.random import RngLike, as_generator
from ..core.show import spread
from ..energies.context import Index, rows
from ..nets.frozen import evaluating, frozen
from .engine.recorded import replayed
from .engine.slices import sliced
from .kernel import DifferentiableKernel, Kernel
from .reports import ChainInfo, ChainSummary, InfoAccumulator
from .state import ChainState, Trace

if TYPE_CHECKING:
    from .engine.engine import Engine

__all__ = ["Chain", "ChainInfo", "ChainState", "ChainSummary", "DifferentiableKernel", "Kernel", "run"]

Precision: TypeAlias = Literal["fp32", "bf16"]
Graph: TypeAlias = Literal[False, "last", "all"]
Compile: TypeAlias = Literal[False, True, "auto"]


@dataclass(frozen=True)
class Chain:
    """Where B chains ended, and what was kept of their way.

    Fields:
        position: `(B, *event)`, or a tuple of such leaves.
        energy: E there, `(B,)`; None without `evaluate`, if the kernel keeps none.
        state: what a later run goes on from.
        trace: every `thin`-th position, `(kept, B, *event)`; None if none was kept.
        energies: their energies, `(kept, B)`, where the kernel knows them: MALA, HMC, NUTS, BAOAB, OBABO.
        info: means over the steps of what the kernel reports.
    """

    position: Position
    energy: Tensor | None
    state: ChainState
    trace: Position | None
    energies: Tensor | None
    info: ChainSummary

    def __repr__(self) -> str:
        first = leaves(self.position)[0]
        shapes = " and ".join(str(tuple(a.shape[1:])) for a in leaves(self.position))
        told = [f"Chain: {len(first)} of shape {shapes}", str(self.info)]
        if self.energy is not None:
            told.append(f"energy {spread(self.energy)}")
        if self.trace is not None:
            told.append(f"{len(leaves(self.trace)[0])} positions kept")
        return ", ".join(told)


def run(
    kernel: Kernel,
    energy: Energy,
    x: Position | ChainState,
    *,
    steps: int,
    rng: RngLike = None,
    thin: int = 0,
    observe: Callable[[int, ChainState, ChainInfo], None] | None = None,
    precision: Precision = "fp32",
    evaluate: bool = True,
    differentiable: Graph = False,
    compile: Compile = False,
    replay: bool = True,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: Engine | None = None,
) -> Chain:
    """Move B chains by `steps` steps of `kernel` on `energy`.

    Args:
        kernel: makes one step after another.
        energy: maps a position of B chains to `(B,)`, low being likely. Chains must not depend on each other.
        steps: number of steps, 0 or more.
        x: starting position `(B, *event)`, or the `state` of an earlier chain on the same energy, which
            goes on as if it had never stopped.
        rng: the only source of randomness: a generator on the device of `x`, a seed, or None for torch's own.
        thin: keep every `thin`-th position in `trace`; 0 keeps none.
        observe: called with (step from 0, state, info) after each step; reading a tensor there waits for
            the device.
        precision: "bf16" runs the energy under autocast; positions and noise keep their own type.
        evaluate: compute the energy at the end, once and without a graph, if the kernel keeps none.
        differentiable: "last" keeps the graph of the last step, "all" of every step (memory then grows
            with `steps`) and back to `x`, so that gradients reach the energy's parameters through the
            final position (Du et al. 2021, arXiv 2012.01316) or the input of an attacked refinement.
        compile: True makes several steps by one compiled function: the same chain within rounding, on a CPU
            two to ten times as fast as without for small networks and cheap energies, and no faster for large
            convolutions (see `docs/benchmarks.md`). It is built once on a machine, which takes 10 to 60
            seconds, and kept in the cache folder ($GIBBSIAN_CACHE). "auto" uses what was built before, and
            builds in the background what such chains lack after 30,000 steps in this process; later steps
            then use it. False is the default because it repeats a chain bit for bit.
        replay: call the energy once at positions of one shape and repeat its tensor operations from then on,
            in down to half the time (on a CPU; compared with calls at the 2nd, 101st, ... gradient, see
            `engine.recorded`). False calls it at every step, and compiles nothing on a CPU: an energy
            that counts, prints or changes slowly.
        chunk: chains whose gradient is taken at once, which bounds the memory and changes nothing else beyond
            rounding. None takes what fits in the memory that is free, or less where that is quicker (see
            `engine.slices`). Energies that may hide context of single chains (closures) are never cut.
        progress: called with (steps done, steps) after each step or compiled block of steps.
        engine: holds the compiled graphs; one for the whole process unless another is given.

    Raises:
        UsageError: bad arguments; "bf16" with a Metropolis kernel; `differentiable` with any kernel
            outside the unadjusted Langevin family.
    """
    _check(kernel, steps, thin, precision, differentiable, compile)
    begin = x.position if isinstance(x, ChainState) else x
    _check_position(begin)
    rng, still = as_generator(rng, leaves(begin)[0].device), evaluating if differentiable else frozen
    whole = energy
    energy = energy if precision == "fp32" else _Autocast(energy)
    if not differentiable:
        energy = sliced(energy, begin, chunk)
    stepped = energy
    if replay and not differentiable:
        stepped = replayed(energy, begin, kernel, steps, coarse=precision == "bf16")
    plain = kernel.step
    graphed = kernel.step_with_graph if isinstance(kernel, DifferentiableKernel) else plain
    with still(whole), torch.no_grad():
        state, started = _start(
            kernel, energy if compile is True else stepped, x, keep_graph=differentiable == "all"
        )
        total, kept = InfoAccumulator(batch_size(state.position)), Trace(thin)
        first_graph = {False: steps, "last": steps - 1, "all": 0}[differentiable]
        blocks, made = None, 0
        if compile and steps:
            from .engine.blocks import Blocks  # what only compiled chains need

            longest = 1 if observe else first_graph
            gradients = first_graph * max(kernel.gradients_per_step, 1)
            blocks = Blocks(
                engine,
                kernel,
                energy,
                state,
                steps=longest,
                gradients=gradients,
                replay=replay,
                thin=thin,
                auto=compile == "auto",
            )
        while made < steps:
            if blocks is not None and blocks.ready(state, made, first_graph - made, rng):
                state, info = blocks.advance(state, made, rng, total, kept)
                made += blocks.length
            else:
                state, info = (plain if made < first_graph else graphed)(stepped, state, rng)
                total.add(info)
                made += 1
                kept.add(state, made)
                if blocks is not None:
                    blocks.made_eagerly()
            if observe is not None:
                observe(made - 1, state, info)
            if progress is not None:
                progress(made, steps)
        final = state.energy
        if final is None and evaluate:
            final = value(energy, detach(state.position))
    gradients = started + steps * kernel.gradients_per_step
    summary = total.summary(leaves(state.position)[0].device, gradients)
    return Chain(state.position, final, state, kept.positions(), kept.energies(), summary)


def _check(
    kernel: Kernel, steps: int, thin: int, precision: str, differentiable: Graph, compile: Compile
) -> None:
    if steps < 0 or thin < 0:
        raise UsageError(f"steps is {steps} and thin is {thin}: neither may be negative")
    if precision not in ("fp32", "bf16"):
        raise unknown("precision", str(precision), ("fp32", "bf16"))
    if precision == "bf16" and kernel.exact:
        raise UsageError(
            f"{type(kernel).__name__} refuses precision 'bf16': its energy differences would be rounding; "
            "use 'fp32', or an unadjusted kernel such as Langevin"
        )
    if differentiable not in (False, "last", "all"):
        raise UsageError(f"differentiable is {differentiable!r}: choose from False, 'last', 'all'")
    if compile not in (False, True, "auto"):
        raise UsageError(f"compile is {compile!r}: choose from False, True, 'auto'")
    if differentiable and not isinstance(kernel, DifferentiableKernel):
        raise UsageError(
            f"{type(kernel).__name__} cannot keep the graph of its steps (differentiable="
            f"'{differentiable}'): use the unadjusted Langevin family"
        )


def _check_position(x: Position) -> None:
    if not all(isinstance(a, Tensor) for a in leaves(x)):
        kinds = ", ".join(type(a).__name__ for a in leaves(x))
        raise UsageError(f"a position is {kinds}: chains move tensors (B, *event); use torch.as_tensor")
    if not all(a.is_floating_point() for a in leaves(x)):
        kinds = ", ".join(str(a.dtype) for a in leaves(x))
        raise UsageError(f"positions have type {kinds}: chains move floating-point tensors, convert first")
    if not all(a.dim() > 1 for a in leaves(x)):
        raise UsageError("a position has one dimension: give (B, *event), so (B, 1) for events of one number")


def _start(
    kernel: Kernel, energy: Energy, x: Position | ChainState, *, keep_graph: bool
) -> tuple[ChainState, int]:
    """The first state and the number of gradients that it cost."""
    if isinstance(x, ChainState):
        return (x if keep_graph else x._replace(position=detach(x.position))), 0
    state = kernel.init(energy, x if keep_graph else detach(x))
    return state, int(state.grad is not None)


@dataclass(frozen=True, eq=False)
class _Autocast:
    """The energy under bfloat16 autocast; positions and the result keep their type."""

    energy: Energy

    def __call__(self, x: Position) -> Tensor:
        first = leaves(x)[0]
        with torch.autocast(first.device.type, dtype=torch.bfloat16):
            e = self.energy(x)
        return e.to(first.dtype)

    def rows(self, index: Index) -> _Autocast:
        """The same over the chains at `index`."""
        return _Autocast(rows(self.energy, index))
