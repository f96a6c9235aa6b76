"""Blocks of steps by packages: a step is traced once a run, and its package is found or built."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ...core.draws import Request
from ...core.position import batch_size
from ..kernel import Kernel
from .engine import Engine
from .graph_key import Key
from .graphs import Part, Sums, block
from .packages import name_of
from .program import Order, Unwritable
from .recorded import modules_in, watched
from .steps import TracedStep, alike, traced_step

log = logging.getLogger("gibbsian")
SMALL = 2**14
"""Numbers in a tensor up to which threads would wait for one another longer than they work."""
AGAIN = 100
"""Blocks of a run after which a step is compared again; then a hundred times as many."""
Known: TypeAlias = tuple[TracedStep, Order, str]


class NotTheSame(RuntimeError):
    """A block that does not say what the steps say."""


class Packaged:
    """Makes blocks of `length` steps of one run, by packages.

    `auto`: use what was built, and build in the background once the key of the chains has made many steps;
    else build what is not there while the chains wait. The first block of a package in this process is
    compared with the steps themselves; a step is compared in the first run of a key, and in long ones.
    """

    def __init__(self, engine: Engine, key: Key, length: int, thin: int, *, auto: bool) -> None:
        self.engine, self.key, self.length, self.thin, self.auto = engine, key, length, thin, auto
        self.known: list[Known] = []
        self.made, self.compared = 0, AGAIN if key in engine.trusted else 0

    def wanted(self) -> bool:
        """Whether it is time to look for a package."""
        return not self.auto or self.key not in self.engine.absent or self.engine.auto_is_due(self.key)

    def found(
        self,
        kernel: Kernel,
        parts: Callable[[], list[Part]],
        requests: Sequence[Request],
        chains: int,
    ) -> bool:
        """Whether there are packages for all parts of the chains; raises what tracing and building raise."""
        if not self.known:
            self.known = [self._traced(kernel, part, requests, chains) for part in parts()]
        return all([self._there(order, name) for _, order, name in self.known])

    def _there(self, order: Order, name: str) -> bool:
        """Whether a package is there, which is built if it is time to."""
        packages = self.engine.packages
        if packages.find(name) is not None:
            return True
        if not self.auto:
            log.info("chains are compiled, which takes a minute once on this machine")
            packages.wait(name, order.written())
        elif self.engine.auto_is_due(self.key):
            packages.begin(name, order.written())
        else:
            self.engine.absent.add(self.key)
        return not self.auto

    def _traced(self, kernel: Kernel, part: Part, requests: Sequence[Request], chains: int) -> Known:
        energy, state = part
        if any(map(watched, modules_in(energy))):
            raise Unwritable("a module of its energy has hooks, or is compiled already")
        some = batch_size(state.position)
        shapes = [(some, *r.shape[1:]) if r.shape[:1] == (chains,) else r.shape for r in requests]
        numbers = [torch.full(s, 0.5, dtype=r.dtype) for s, r in zip(shapes, requests, strict=True)]
        step = traced_step(kernel, energy, state, numbers)
        threads = torch.get_num_threads() if step.largest > SMALL else 1
        order = Order(step.program, self.length, self.thin, threads)
        return step, order, name_of(order.written())

    def __call__(
        self, k: int, kernels: Sequence[Kernel], part: Part, noise: Sequence[Sequence[Tensor]]
    ) -> Sums:
        """A block of the chains of part `k`; raises `NotTheSame` if it is not what the steps say."""
        step, order, name = self.known[k]
        packages, (energy, state) = self.engine.packages, part
        run = packages.find(name)
        assert run is not None
        made = step.sums(order, run(step.inputs(kernels, state, noise)))
        if name not in packages.compared:
            if not alike(made[0], block(energy, kernels, state, noise, self.thin)[0]):
                raise NotTheSame("the compiler made something else of the steps of this chain")
            packages.compared.add(name)
        if self.made == self.compared and not step.holds(kernels[-1], energy, made[0], noise[-1]):
            raise NotTheSame("another step does not repeat the operations of the first")
        if k == len(self.known) - 1:
            if self.made == self.compared:
                self.compared = max(AGAIN, 100 * self.compared)
                self.engine.trusted.add(self.key)
            self.made += 1
        return made
