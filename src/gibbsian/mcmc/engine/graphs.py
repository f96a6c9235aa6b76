"""Several steps as one function, and its compiled forms."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from ...core.draws import Replay
from ...core.energy import Energy
from ...core.position import batch_size
from ..kernel import Kernel
from ..reports import InfoAccumulator
from ..state import ChainState

Sums: TypeAlias = tuple[ChainState, Tensor, dict[str, Tensor], list[ChainState]]
Block: TypeAlias = Callable[..., Sums]
Part: TypeAlias = tuple[Energy, ChainState]
Compiler: TypeAlias = Callable[[Block, torch.device], Block]


def block(
    energy: Energy,
    kernels: Sequence[Kernel],
    state: ChainState,
    numbers: Sequence[Sequence[Tensor]],
    thin: int = 0,
) -> Sums:
    """One step for each kernel, on noise drawn before.

    The last state, which chains diverged, the sums of the reports, and position and energy after every
    `thin`-th step. This is what is compiled, and what runs as it is where that fails.
    """
    total, kept = InfoAccumulator(batch_size(state.position)), []
    for k, (kernel, drawn) in enumerate(zip(kernels, numbers, strict=True), 1):
        replay = Replay(drawn)
        state, info = kernel.step(energy, state, replay)
        replay.finish()
        total.merge(1, info.divergent, info.numbers())
        if thin and k % thin == 0:
            kept.append(ChainState(state.position, state.energy))
    assert total.divergent is not None
    return state, total.divergent, total.sums, kept


class Graphs:
    """The compiled `block` for one key. Other shapes or numbers inside make further graphs.

    The compiler allows a handful for one function. If more are asked for after `well_used` calls, the old
    ones are forgotten and it starts again; before that `RuntimeError` is raised, because a chain that needs a
    new graph at nearly every call is better off without.
    """

    def __init__(self, device: torch.device, compiler: Compiler, well_used: int) -> None:
        self.device, self.compiler, self.well_used = device, compiler, well_used
        self.calls = 0
        self.function = self._function()

    def __call__(self, *inputs: Any) -> Sums:
        try:
            result = self.function(*inputs)
        except Exception as error:
            # By name, since importing the class loads the compiler, which takes seconds.
            if type(error).__name__ != "FailOnRecompileLimitHit":
                raise
            if self.calls < self.well_used:
                raise RuntimeError(
                    "something in the energy or kernel changes at nearly every call"
                ) from error
            self.function, self.calls = self._function(), 0
            result = self.function(*inputs)
        self.calls += 1
        # What a captured CUDA graph returns is overwritten by its next call.
        return tree_map_only(Tensor, Tensor.clone, result) if self.device.type == "cuda" else result

    def _function(self) -> Block:
        # The compiler keeps graphs, and counts them, by code object: a copy of the code has its own.
        own = types.FunctionType(block.__code__.replace(), block.__globals__, "block")
        return self.compiler(own, self.device)


def compile_block(function: Block, device: torch.device) -> Block:
    """`function` compiled for `device` by `torch.compile`, for fixed shapes and without breaks."""
    return torch.compile(function, dynamic=False, fullgraph=True, options=options(device))


def options(device: torch.device) -> dict[str, Any]:
    """Compiler settings: captured graphs on CUDA."""
    return {"triton.cudagraphs": device.type == "cuda"}
