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
import math
import types
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch._dynamo.exc import FailOnRecompileLimitHit

from ..core.draws import Recorder, Replay, Request, draw
from ..core.energy import Energy
from ..core.errors import GibbsianError
from ..core.position import batch_size, leaves
from .kernel import Kernel
from .langevin import Fixed, Unadjusted
from .state import ChainInfo, ChainState, Tally

log = logging.getLogger("gibbsian")

Sums: TypeAlias = tuple[ChainState, Tensor, dict[str, Tensor]]
LONGEST = 10
LAYERS = 100


def block(
    energy: Energy, kernels: Sequence[Kernel], state: ChainState, numbers: Sequence[Sequence[Tensor]]
) -> Sums:
    """One step for each kernel, on noise drawn before; the last state, and the sums of the reports."""
    tally = Tally(batch_size(state.position))
    for kernel, drawn in zip(kernels, numbers, strict=True):
        state, info = kernel.step(energy, state, Replay(drawn))
        tally.add(info)
    assert tally.divergent is not None
    return state, tally.divergent, tally.sums


class Blocks:
    """Makes the steps of one run in compiled blocks of `length` steps."""

    def __init__(self, kernel: Kernel, energy: Energy, state: ChainState, length: int) -> None:
        self.kernel, self.energy, self.length = kernel, energy, length
        self.device = leaves(state.position)[0].device
        self.key = signature(kernel, energy, state, length)
        self.requests: list[Request] | None = None

    def ready(self, state: ChainState, left: int, rng: torch.Generator) -> bool:
        """Whether the next steps can be a block: enough of them are left, and their noise is known."""
        if left < self.length or self.key in _BROKEN:
            return False
        if self.requests is None:
            asked = (*self.key, outline(state))
            if asked not in _REQUESTS:
                _REQUESTS[asked] = rehearse(self.kernel, self.energy, state, rng)
            self.requests = _REQUESTS[asked]
        return self.requests is not None

    def advance(self, state: ChainState, rng: torch.Generator, tally: Tally) -> tuple[ChainState, ChainInfo]:
        """The state after a block, and the mean report of its steps; their sums go to `tally`."""
        assert self.requests is not None
        kernels = [stationary(self.kernel, state.count + k, self.device) for k in range(self.length)]
        numbers = [draw(self.requests, rng) for _ in range(self.length)]
        new, divergent, sums = self._call(kernels, state._replace(count=0), numbers)
        tally.merge(self.length, divergent, sums)
        means = {name: total / self.length for name, total in sums.items()}
        report = ChainInfo(means.pop("acceptance", None), divergent, **means)
        return new._replace(count=state.count + self.length), report

    def _call(self, *inputs: Any) -> Sums:
        try:
            result: Sums = compiled(self.key, self.device)(self.energy, *inputs)
        except GibbsianError:
            raise
        except FailOnRecompileLimitHit:  # many shapes, none of them wrong: forget the old graphs
            del _COMPILED[self.key]
            result = compiled(self.key, self.device)(self.energy, *inputs)
        except Exception as error:  # whatever the compiler dislikes, the chain goes on
            _BROKEN.add(self.key)
            log.warning("chains run without compilation: %s", reason(error))
            result = block(self.energy, *inputs)
        return result


def block_length(kernel: Kernel, energy: Energy, steps: int, thin: int) -> int:
    """Steps of one graph: few for deep networks, which gain little and compile long; a divisor of `thin`."""
    layers = max(depth(energy), 5) * kernel.gradients_per_step
    longest = max(1, min(LONGEST, LAYERS // layers, steps))
    span = math.gcd(thin, steps) if thin and steps % thin == 0 else thin or steps
    fitting = [n for n in range(longest, 0, -1) if span % n == 0]
    return fitting[0] if thin or fitting[0] > longest // 2 else longest


def depth(energy: object) -> int:
    """Layers of the networks in an energy: a module, a record that holds some, a closure or a method."""
    if isinstance(energy, nn.Module):
        return sum(not list(m.children()) for m in energy.modules())
    if isinstance(energy, (tuple, list)):
        return sum(depth(part) for part in energy)
    if isinstance(energy, types.MethodType):
        return depth(energy.__self__)
    if isinstance(energy, types.FunctionType):
        return sum(depth(cell.cell_contents) for cell in energy.__closure__ or ())
    return sum(depth(getattr(energy, f.name)) for f in fields(energy)) if is_dataclass(energy) else 0


def rehearse(kernel: Kernel, energy: Energy, state: ChainState, rng: torch.Generator) -> list[Request] | None:
    """What a step asks of its generator; None if the next steps will not ask the same.

    The step is made on a copy of the generator and forgotten. A first step that still completes the state
    (the velocity of `Underdamped`) has to be made for real before.
    """
    copy = torch.Generator(rng.device)
    copy.set_state(rng.get_state())
    recorder = Recorder(copy)
    new, _ = kernel.step(energy, state, recorder)
    return recorder.requests if outline(new) == outline(state) else None


def outline(state: ChainState) -> tuple[bool, ...]:
    """Which parts of a state are there."""
    return tuple(part is None for part in state)


def stationary(kernel: Kernel, count: int, device: torch.device) -> Kernel:
    """`kernel` with its numbers of the step after `count` others; scheduled ones as tensors."""
    if not isinstance(kernel, Unadjusted):
        return kernel
    move = kernel.move(count)
    return Fixed(move if kernel.steady else move.with_inputs(device))


def signature(kernel: Kernel, energy: Energy, state: ChainState, length: int) -> tuple[Any, ...]:
    """What decides, beside the shapes inside the energy, which graph serves."""
    shapes = tuple((a.shape, a.dtype, a.device.type) for a in leaves(state.position))
    return traits(kernel), type(energy), shapes, length, torch.get_num_threads()


def traits(part: object) -> Any:
    """What in a kernel's fields decides which operations a step makes: words, counts, switches, zeros."""
    if is_dataclass(part):
        return (type(part), *(traits(getattr(part, f.name)) for f in fields(part)))
    if isinstance(part, float):
        return part == 0
    return part if part is None or isinstance(part, (str, int)) else type(part)


def compiled(key: tuple[Any, ...], device: torch.device) -> Callable[..., Sums]:
    """The compiled `block` for `key`; each key has a cache of graphs of its own."""
    if key not in _COMPILED:
        own = types.FunctionType(block.__code__.replace(), block.__globals__, "block")
        _COMPILED[key] = torch.compile(own, dynamic=False, fullgraph=True, options=options(device))
    return _COMPILED[key]


def options(device: torch.device) -> dict[str, Any]:
    """Compiler settings: on a CPU no Python between operations and our rewrites, on CUDA captured graphs."""
    if device.type != "cpu":
        return {"triton.cudagraphs": device.type == "cuda"}
    from .rewrite import Rewrite

    return {"cpp_wrapper": True, "post_grad_custom_pre_pass": Rewrite()}


def reason(error: Exception) -> str:
    """The first line that says something, and no stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]


_COMPILED: dict[tuple[Any, ...], Callable[..., Sums]] = {}
_REQUESTS: dict[tuple[Any, ...], list[Request] | None] = {}
_BROKEN: set[tuple[Any, ...]] = set()
