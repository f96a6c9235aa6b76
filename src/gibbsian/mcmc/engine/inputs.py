"""A kernel as a graph sees it: what changes from step to step is an input, and the rest is fixed."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ...core.draws import Rng
from ...core.energy import Energy
from ...core.position import Position, leaves
from ..kernel import Kernel
from ..langevin import Langevin
from ..reports import ChainInfo
from ..state import ChainState


@dataclass(frozen=True)
class LangevinInGraph:
    """A Langevin kernel whose step size and noise are inputs of a graph: `scales`, `(2,)`.

    A compiler takes numbers in a record as constants, and would make a graph for each step of a schedule.
    So `kernel` holds placeholders for all that differs from step to step, and one graph serves every step
    size and every temperature.
    """

    kernel: Langevin
    scales: Tensor
    exact: ClassVar[bool] = False
    gradients_per_step: ClassVar[int] = 1

    @classmethod
    def of(cls, kernel: Langevin, step: int, x: Position) -> LangevinInGraph:
        """`kernel` at the step that follows `step` earlier ones, with inputs in the precision of `x`."""
        # At least float32: the step size of a bfloat16 position must not be rounded to bfloat16.
        kind = torch.float32
        for a in leaves(x):
            kind = torch.promote_types(kind, a.dtype)
        scales = torch.tensor(kernel.at(step).scales, dtype=kind, device=leaves(x)[0].device)
        fixed = replace(
            kernel,
            step_size=1.0,
            temperature=float(kernel.noisy),  # whether noise is drawn stays a property of the graph
            step_size_schedule=None,
            temperature_schedule=None,
            start_step=0,
        )
        return cls(fixed, scales)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """As `kernel`."""
        return self.kernel.init(energy, x)

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step by `scales`."""
        return self.kernel.step_by(self.scales[0], self.scales[1], energy, state, rng)


def in_graph(kernel: Kernel, state: ChainState, later: int = 0) -> Kernel:
    """`kernel` for a graph, as it stands `later` steps after `state`.

    Only Langevin changes its numbers on the way; other kernels are what they are, with their numbers in the
    graph.
    """
    if not isinstance(kernel, Langevin):
        return kernel
    return LangevinInGraph.of(kernel, state.count + later, state.position)


def is_steady(kernel: Kernel) -> bool:
    """Whether every step of `kernel` takes the same inputs."""
    return not isinstance(kernel, Langevin) or kernel.steady


def is_fixed(kernel: Kernel) -> bool:
    """Whether a kernel is a record that cannot change; any other may do so from step to step, unseen."""
    return is_dataclass(kernel) and bool(type(kernel).__dataclass_params__.frozen)
