"""Several steps in one graph, and the graphs that are held.

Each kind of chain (see `kinds`) has a cache of graphs of its own. The compiler guards every graph by what
it was made for, so that other weights of equal shapes are inputs, and another number inside the energy means
another graph.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.utils._pytree import tree_map_only

from ..core.draws import Replay, Rng
from ..core.energy import Energy
from ..core.position import Position, batch_size, leaves
from .kernel import Kernel
from .langevin import Langevin
from .state import ChainInfo, ChainState, Tally

Sums: TypeAlias = tuple[ChainState, Tensor, dict[str, Tensor], list[ChainState]]
KEPT = 64
"""Kinds of chains whose graphs are held, at most."""
WELL_USED = 100
"""Calls after which it was right to compile a handful of graphs."""


@dataclass(frozen=True)
class LangevinInGraph:
    """A Langevin kernel whose step size and noise are inputs of a graph: `scales`, `(2,)`.

    Whatever else distinguishes one step from another is gone from `kernel`, so that one graph serves every
    step size and temperature.
    """

    kernel: Langevin
    scales: Tensor
    exact: ClassVar[bool] = False
    gradients_per_step: ClassVar[int] = 1

    @classmethod
    def of(cls, kernel: Langevin, step: int, x: Position) -> LangevinInGraph:
        """`kernel` at `step`, with inputs in the precision of `x`."""
        kind = torch.float32
        for a in leaves(x):
            kind = torch.promote_types(kind, a.dtype)
        scales = torch.tensor(kernel.at(step).scales, dtype=kind, device=leaves(x)[0].device)
        plain = replace(
            kernel,
            step_size=1.0,
            temperature=float(kernel.noisy),
            step_size_schedule=None,
            temperature_schedule=None,
            start_step=0,
        )
        return cls(plain, scales)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """As `kernel`."""
        return self.kernel.init(energy, x)

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step by `scales`."""
        return self.kernel.step_by(self.scales[0], self.scales[1], energy, state, rng)


def block(
    energy: Energy,
    kernels: Sequence[Kernel],
    state: ChainState,
    numbers: Sequence[Sequence[Tensor]],
    thin: int = 0,
) -> Sums:
    """One step for each kernel, on noise drawn before.

    The last state, the sums of the reports, and position and energy after every `thin`-th step.
    """
    tally, kept = Tally(batch_size(state.position)), []
    for k, (kernel, drawn) in enumerate(zip(kernels, numbers, strict=True), 1):
        replay = Replay(drawn)
        state, info = kernel.step(energy, state, replay)
        replay.finish()
        tally.add(info)
        if thin and k % thin == 0:
            kept.append(ChainState(state.position, state.energy))
    assert tally.divergent is not None
    return state, tally.divergent, tally.sums, kept


class Graphs:
    """The compiled `block` for one kind of chain. Other shapes or numbers inside make further graphs.

    Too many of them, and the old ones are forgotten; if they were hardly used, `RuntimeError` is raised.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.calls = device, 0
        self.function = self._function()

    def __call__(self, *inputs: Any) -> Sums:
        try:
            result = self.function(*inputs)
        except Exception as error:
            if type(error).__name__ != "FailOnRecompileLimitHit":
                raise
            if self.calls < WELL_USED:
                raise RuntimeError(
                    "something in the energy or kernel changes at nearly every call"
                ) from error
            self.function, self.calls = self._function(), 0
            result = self.function(*inputs)
        self.calls += 1
        # What a captured CUDA graph returns is overwritten by its next call.
        return tree_map_only(Tensor, Tensor.clone, result) if self.device.type == "cuda" else result

    def _function(self) -> Callable[..., Sums]:
        own = types.FunctionType(block.__code__.replace(), block.__globals__, "block")
        return torch.compile(own, dynamic=False, fullgraph=True, options=options(self.device))


def compiled(key: tuple[Any, ...], device: torch.device) -> Graphs:
    """The graphs for `key`, which are made when called; the kinds used last are kept."""
    with _LOCK:
        graphs = _COMPILED.pop(key, None) or Graphs(device)
        _COMPILED[key] = graphs
        while len(_COMPILED) > KEPT:
            del _COMPILED[next(iter(_COMPILED))]
    return graphs


def graphs_made() -> int:
    """How many graphs this process has compiled."""
    return int(counters["stats"]["unique_graphs"])


def forget(key: tuple[Any, ...]) -> None:
    """Drop the graphs for `key`."""
    _COMPILED.pop(key, None)


def options(device: torch.device) -> dict[str, Any]:
    """Compiler settings: on a CPU no Python between operations and our rewrites, on CUDA captured graphs."""
    if device.type != "cpu":
        return {"triton.cudagraphs": device.type == "cuda"}
    from .rewrite import Rewrite

    return {"cpp_wrapper": True, "post_grad_custom_pre_pass": Rewrite()}


_LOCK = threading.Lock()
_COMPILED: dict[tuple[Any, ...], Graphs] = {}
