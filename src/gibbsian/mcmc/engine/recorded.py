"""An energy whose gradient is taken without autograd and without calls of its modules, after two calls.

The first call at positions of one shape is recorded, the second is made both ways and compared, and from then
on the operations are replayed, in the layouts that are quick (`layouts`). The same operations on the same
numbers give the same bits; products and convolutions of some size are rounded in another way. A recording
lives as long as one run: weights, labels and buffers may be others in the next, and nothing that happened
before in the process changes a chain.

Left alone, with one line in the log, are energies that draw random numbers or read a number of the position
(`recording`), and those whose second call is not the replay of the first: a number in Python that changes.
Left alone without a word: modules with hooks or compiled ones, and positions so large that calls cost nothing
beside the arithmetic.
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
from ...core.position import Position, batch_size, leaves, like
from ...core.show import brief
from ...energies.context import rows
from ...nets.frozen import modules_of
from ..kernel import Kernel
from .graph_key import makeup
from .layouts import laid_out
from .memory import UNKNOWN_MEMORY
from .recording import Recording, recorded
from .replaying import Replay, replay
from .slices import HEAVY, declared

log = logging.getLogger("gibbsian")
FEWEST = 10
"""Gradients of a run from which recording pays: it costs as much as three to five of a small network."""
SHAPES = 4
"""Shapes of positions that one run records, at most."""
COMPARED = 2
"""Chains of the second call that are compared, where chains can be cut."""
CLOSE = {torch.float64: 1e-6, torch.float32: 1e-3}
"""How far those may be apart, in their largest number, in single precision or better."""
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
Shape: TypeAlias = tuple[Any, ...]
_told: set[Any] = set()


@dataclass(eq=False)
class Replays:
    """The recording of a call, and what was made of it."""

    recording: Recording
    trusted: bool = False
    made: dict[bool, Replay] = field(default_factory=dict)

    def __call__(self, x: Position, valued: bool) -> tuple[Tensor, ...]:
        """The energy, if `valued`, and the gradients of the leaves of `x`."""
        if valued not in self.made:
            first = (self.recording.energy,) if valued else ()
            self.made[valued] = replay(self.recording, (*first, *self.recording.grads))
        return self.made[valued](*leaves(x))


@dataclass(eq=False)
class Recorded(OwnGradient):
    """`energy` with a gradient that is replayed from the third call on, where it can be."""

    energy: Energy
    known: dict[Shape, Replays | None] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, x: Position) -> Tensor:
        return self.energy(x)

    def value_and_grad(self, x: Position) -> tuple[Tensor, Position]:
        """E(x) of shape `(B,)` and dE/dx in the structure of `x`."""
        made = self._replayed(x, True)
        return self._called(x, True) if made is None else (made[0], like(x, made[1:]))

    def gradient(self, x: Position) -> Position:
        """dE/dx in the structure of `x`."""
        made = self._replayed(x, False)
        return self._called(x, False)[1] if made is None else like(x, made)

    def _replayed(self, x: Position, valued: bool) -> tuple[Tensor, ...] | None:
        found = self.known.get(_shape(x))
        if found is None or not found.trusted:
            return None
        try:
            return found(x, valued)
        except RuntimeError as error:  # sizes that have changed; any other comes again in a call
            self._leave(x, f"its operations cannot be repeated ({error})"[:200])
            return None

    def _called(self, x: Position, valued: bool) -> tuple[Tensor, Position]:
        """By a call of the energy: one that is recorded, compared with a recording, or neither. The energy is
        right if `valued`."""
        shape = _shape(x)
        if shape in self.known or len(self.known) >= SHAPES:
            found = self.known.get(shape)
            return value_and_grad(self.energy, x) if found is None else self._compared(found, x, valued)
        self.known[shape] = None
        try:
            e, grad, recording = recorded(self.energy, x)
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

    def _compared(self, found: Replays, x: Position, valued: bool) -> tuple[Tensor, Position]:
        """The second call, made both ways."""
        try:
            made = found(x, valued)
        except RuntimeError as error:
            self._leave(x, f"its operations cannot be repeated ({error})"[:200])
            return value_and_grad(self.energy, x)
        few = declared(self.energy) and batch_size(x) > COMPARED
        part = slice(0, COMPARED if few else None)
        e, grad = value_and_grad(rows(self.energy, part) if few else self.energy, position.rows(x, part))
        expected = (e, *leaves(grad)) if valued else leaves(grad)
        if all(_close(a[part], b) for a, b in zip(made, expected, strict=True)):
            found.trusted = True
            return made[0], like(x, made[valued:])
        self._leave(x, "a second call does not repeat the operations of the first")
        return value_and_grad(self.energy, x)

    def _leave(self, x: Position, why: str) -> None:
        """Call the energy at such positions from now on."""
        self.known[_shape(x)] = None
        kind = makeup(self.energy), *(type(m) for m in _modules(self.energy)), why
        if kind not in _told:
            _told.add(kind)
            log.info("chains call %s at every step: %s", brief(self.energy), why)


def replayed(energy: Energy, x: Position, kernel: Kernel, steps: int) -> Energy:
    """`energy`, as `Recorded` where that can be and pays."""
    first, size = leaves(x)[0], sum(a.nbytes for a in leaves(x))
    pays = steps * max(kernel.gradients_per_step, 1) >= FEWEST and HEAVY * size <= UNKNOWN_MEMORY
    if not pays or first.device.type != "cpu" or isinstance(energy, OwnGradient):
        return energy
    return energy if any(map(_watched, _modules(energy))) else Recorded(energy)


def _modules(energy: Energy) -> list[nn.Module]:
    return [m for owner in modules_of(energy) for m in owner.modules()]


def _watched(m: nn.Module) -> bool:
    """Whether somebody else looks at, or has changed, how a module is called."""
    hooks = (hook for name in HOOKS for hook in getattr(m, name).values())
    foreign = any(not str(type(h).__module__).startswith("torch.nn.utils") for h in hooks)
    return foreign or m._compiled_call_impl is not None or "_orig_mod" in m._modules


def _shape(x: Position) -> Shape:
    return tuple((a.shape, a.stride(), a.dtype) for a in leaves(x))


def _close(a: Tensor, b: Tensor) -> bool:
    """Whether finite numbers are the same within rounding."""
    gap, most, share = (a - b).abs(), b.abs(), CLOSE.get(a.dtype, 0.05)
    if bool(gap.max() <= share * most.max()):
        return True
    known = gap.isfinite()
    return not bool(known.any()) or bool(gap[known].max() <= share * most[known].max())
