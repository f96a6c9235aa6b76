"""An energy whose gradient is taken without autograd and without calls of its modules, after one call.

The first call at positions of one shape is recorded (`tape`), and from then on the operations are replayed,
in the layouts that are quick (`layouts`). The second gradient of a run, and the 101st, the 10,001st, ... are
compared with a call of the energy, for two of the chains where chains can be cut, else for all. The same
operations on the same numbers give the same bits; products and convolutions of some size are rounded in
another way. A recording lives as long as one run: weights, labels and buffers may be others in the next, and
nothing that happened before in the process changes a chain.

Called at every step, with one line in the log, are energies that the tape refuses, and those that say another
thing than the replay when they are compared: a number in Python that changes. What changes less than rounding
or between two comparisons is not seen: such an energy needs `run(replay=False)`. Called without a word:
modules with hooks or compiled ones, and positions so large that calls cost nothing beside the arithmetic.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...core import position
from ...core.energy import Energy, OwnGradient, value_and_grad
from ...core.errors import GibbsianError
from ...core.position import Position, batch_size, leaves, like, tree_map
from ...core.show import brief
from ...energies.context import Index, rows
from ...nets.frozen import modules_of
from ..kernel import Kernel
from .graph_key import makeup
from .layouts import laid_out
from .replaying import Replay, replay
from .slices import declared
from .tape import Recording, taped

log = logging.getLogger("gibbsian")
FEWEST = 10
"""Gradients of a run from which recording pays: it costs as much as three of a small network."""
SHAPES = 4
"""Shapes of positions that one run records, at most."""
COMPARED = 2
"""Chains that are compared, where chains can be cut."""
CLOSE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far they may be apart, in their largest number: some chains are rounded in another way than all."""
COARSE = 0.05
"""The same in lower precision."""
LARGEST = 2**20
"""Bytes of positions from which calls cost nothing beside the arithmetic, while a recording costs memory."""
ALL = slice(None)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
Shape: TypeAlias = tuple[Any, ...]
_told: set[Any] = set()


@dataclass(eq=False)
class Replays:
    """The recording of a call, what was made of it, and how often it was asked.

    `compared`: after how many gradients it is compared next with a call.
    """

    recording: Recording
    made: dict[bool, Replay] = field(default_factory=dict)
    count: int = 0
    compared: int = 1

    def __call__(self, x: Position, valued: bool) -> tuple[Tensor, ...]:
        """The energy, if `valued`, and the gradients of the leaves of `x`."""
        if valued not in self.made:
            first = (self.recording.energy,) if valued else ()
            self.made[valued] = replay(self.recording, (*first, *self.recording.grads))
        self.count += 1
        return self.made[valued](*leaves(x))


@dataclass(eq=False)
class Recorded(OwnGradient):
    """`energy` with a gradient that is replayed from the second call on, where it can be.

    `share`: how far numbers may be from those of a call, in the largest of them.
    """

    energy: Energy
    share: float = CLOSE[torch.float32]
    known: dict[Shape, Replays | None] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, x: Position) -> Tensor:
        return self.energy(x)

    def rows(self, index: Index) -> Energy:
        """The energy over the chains at `index`."""
        return rows(self.energy, index)

    def value_and_grad(self, x: Position) -> tuple[Tensor, Position]:
        """E(x) of shape `(B,)` and dE/dx in the structure of `x`."""
        made = self._replayed(x, True)
        return (made[0], like(x, made[1:])) if made else self._called(x)

    def gradient(self, x: Position) -> Position:
        """dE/dx in the structure of `x`."""
        made = self._replayed(x, False)
        return like(x, made) if made else self._called(x)[1]

    def _replayed(self, x: Position, valued: bool) -> tuple[Tensor, ...] | None:
        """The energy, if `valued`, and the gradients of the leaves; None where the energy must be called."""
        found = self.known.get(_shape(x))
        if found is None:
            return None
        try:
            made = found(x, valued)
        except RuntimeError as error:  # sizes that have changed; any other comes again in a call
            self._leave(x, f"its operations cannot be repeated ({error})"[:200])
            return None
        if found.count < found.compared:
            return made
        found.compared *= 100
        return self._compared(x, made, valued)

    def _called(self, x: Position) -> tuple[Tensor, Position]:
        """By a call of the energy, which is recorded where positions of this shape have not been met."""
        shape = _shape(x)
        if shape in self.known or len(self.known) >= SHAPES:
            return value_and_grad(self.energy, x)
        self.known[shape] = None
        try:
            # At a copy: a constant that shares memory with the position would count as the position.
            e, grad, recording = taped(self.energy, tree_map(torch.clone, x))
        except GibbsianError:
            raise
        except Exception:  # of the energy's own, which comes again, or of being watched
            called = value_and_grad(self.energy, x)
            self._leave(x, "it cannot be watched")
            return called
        if recording.problem:
            self._leave(x, recording.problem)
        else:
            self.known[shape] = Replays(laid_out(recording))
        return e, grad

    def _compared(self, x: Position, made: tuple[Tensor, ...], valued: bool) -> tuple[Tensor, ...]:
        """`made` by a replay if the energy, called for some or all chains, says the same; else what it says,
        and it is called from now on."""
        called, part = self._some(x) if declared(self.energy) and batch_size(x) > COMPARED else (None, ALL)
        if called is None:
            called, part = _all(value_and_grad(self.energy, x)), ALL
        expected = called if valued else called[1:]
        if all(_close(a[part], b, self.share) for a, b in zip(made, expected, strict=True)):
            return made
        self._leave(x, "another call does not repeat the operations of the first")
        called = called if part == ALL else _all(value_and_grad(self.energy, x))
        return called if valued else called[1:]

    def _some(self, x: Position) -> tuple[tuple[Tensor, ...] | None, slice]:
        """A call for a few chains, None where the energy cannot be called for few; and which."""
        part = slice(0, COMPARED)
        try:
            return _all(value_and_grad(rows(self.energy, part), position.rows(x, part))), part
        except (RuntimeError, IndexError):  # a module that holds something of its chains
            return None, ALL

    def _leave(self, x: Position, why: str) -> None:
        """Call the energy at such positions from now on."""
        self.known[_shape(x)] = None
        kind = makeup(self.energy), *(type(m) for m in modules_in(self.energy)), why
        if kind not in _told:
            _told.add(kind)
            log.info("chains call %s at every step: %s", brief(self.energy), why)


def replayed(energy: Energy, x: Position, kernel: Kernel, steps: int, *, coarse: bool = False) -> Energy:
    """`energy`, as `Recorded` where that can be and pays. `coarse`: it is computed in bfloat16."""
    first, size = leaves(x)[0], sum(a.nbytes for a in leaves(x))
    pays = steps * max(kernel.gradients_per_step, 1) >= FEWEST and 0 < size <= LARGEST
    if not pays or first.device.type != "cpu" or isinstance(energy, OwnGradient):
        return energy
    share = COARSE if coarse else CLOSE.get(first.dtype, COARSE)
    return energy if any(map(watched, modules_in(energy))) else Recorded(energy, share)


def _all(found: tuple[Tensor, Position]) -> tuple[Tensor, ...]:
    return found[0], *leaves(found[1])


def modules_in(energy: Energy) -> list[nn.Module]:
    """All modules of an energy, with those inside them."""
    return [m for owner in modules_of(energy) for m in owner.modules()]


def watched(m: nn.Module) -> bool:
    """Whether somebody else looks at, or has changed, how a module is called."""
    hooks = (hook for name in HOOKS for hook in getattr(m, name).values())
    foreign = any(not str(type(h).__module__).startswith("torch.nn.utils") for h in hooks)
    return foreign or m._compiled_call_impl is not None or "_orig_mod" in m._modules


def _shape(x: Position) -> Shape:
    return tuple((a.shape, a.stride(), a.dtype) for a in leaves(x))


def _close(a: Tensor, b: Tensor, share: float) -> bool:
    """Whether finite numbers are the same within rounding."""
    gap, most = (a - b).abs(), b.abs()
    if bool(gap.max() <= share * most.max()):
        return True
    known = b.isfinite()  # chains that are lost say nothing
    return not bool(known.any()) or bool(gap[known].max() <= share * most[known].max())
