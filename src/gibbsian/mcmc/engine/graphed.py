"""Blocks of steps by graphs of `torch.compile`, as on devices other than CPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...core.draws import Request
from ...core.position import leaves
from ..kernel import Kernel
from .engine import Engine
from .graph_key import Key
from .graphs import Part, Sums


class Graphed:
    """Makes blocks by the graphs of a key; the compiler makes those that are missing when they are called."""

    def __init__(self, engine: Engine, key: Key, length: int, thin: int, *, auto: bool) -> None:
        self.engine, self.key, self.thin, self.auto = engine, key, thin, auto

    def wanted(self) -> bool:
        """Whether it is time to look for a graph."""
        return not self.auto or self.engine.auto_is_due(self.key)

    def found(
        self,
        kernel: Kernel,
        parts: Callable[[], list[Part]],
        requests: Sequence[Request],
        chains: int,
    ) -> bool:
        """Whether blocks can be made now."""
        return True

    def __call__(
        self, k: int, kernels: Sequence[Kernel], part: Part, noise: Sequence[Sequence[Tensor]]
    ) -> Sums:
        """A block of the chains of part `k`."""
        energy, state = part
        device = leaves(state.position)[0].device
        return self.engine.graphs_for(self.key, device)(energy, kernels, state, noise, self.thin)
