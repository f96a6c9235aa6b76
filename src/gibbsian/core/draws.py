"""Where a kernel's random numbers come from: a generator, or numbers drawn beforehand.

A kernel asks for noise by `normal` and `uniform` and does not see the difference. A compiler does: it can
put many steps in one graph only if their noise is an input. `Recorder` makes a step from a generator
and notes what it asked for; `draw` makes the same requests again, in the same order and from the same
stream; `Replay` hands the numbers out. A chain is thus the same one, compiled or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from .errors import UsageError


class Request(NamedTuple):
    """Numbers that a step asked for: standard normal or uniform on [0, 1), like a tensor of this kind."""

    gaussian: bool
    shape: torch.Size
    dtype: torch.dtype
    device: torch.device


class Recorder:
    """A generator that notes what it is asked for, in `requests`."""

    def __init__(self, rng: torch.Generator) -> None:
        self.rng = rng
        self.requests: list[Request] = []

    def take(self, request: Request) -> Tensor:
        """Numbers from the generator, as `request` says."""
        self.requests.append(request)
        return _draw(request, self.rng)


class Replay:
    """Numbers drawn beforehand, given out in order. Raises `UsageError` if others are asked for."""

    def __init__(self, numbers: Sequence[Tensor]) -> None:
        self.numbers = numbers
        self.used = 0

    def take(self, request: Request) -> Tensor:
        """The next tensor, which must be of the shape and type requested."""
        fits = self.used < len(self.numbers) and self.numbers[self.used].shape == request.shape
        if not fits or self.numbers[self.used].dtype != request.dtype:
            raise _changed(f"asked for numbers of shape {tuple(request.shape)} that were not drawn")
        self.used += 1
        return self.numbers[self.used - 1]

    def finish(self) -> None:
        """Check that all of them were asked for."""
        if self.used < len(self.numbers):
            raise _changed(f"asked for {self.used} of {len(self.numbers)} tensors of numbers")


Rng: TypeAlias = torch.Generator | Recorder | Replay


def normal(like: Tensor, rng: Rng) -> Tensor:
    """Standard normal numbers of the shape, dtype and device of `like`."""
    if isinstance(rng, torch.Generator):  # as nearly always: no request is needed
        return torch.randn(like.shape, generator=rng, dtype=like.dtype, device=like.device)
    return _take(Request(True, like.shape, like.dtype, like.device), rng)


def uniform(like: Tensor, rng: Rng) -> Tensor:
    """Numbers uniform on [0, 1), of the shape, dtype and device of `like`."""
    return _take(Request(False, like.shape, like.dtype, like.device), rng)


def draw(requests: Sequence[Request], rng: torch.Generator) -> list[Tensor]:
    """One tensor for each request, in order, as a step on `rng` itself would get them."""
    return [_draw(r, rng) for r in requests]


def draw_steps(requests: Sequence[Request], rng: torch.Generator, steps: int) -> list[list[Tensor]]:
    """What `draw` gives for each of so many steps, one after another; quicker than so many calls."""
    whole = [torch.empty((steps, *r.shape), dtype=r.dtype, device=r.device) for r in requests]
    first = requests[0] if len(requests) == 1 else None
    # On a CPU normal numbers come by 16, so that steps of whole sixteens may be drawn at once.
    if first and first.gaussian and first.device.type == "cpu" and first.shape.numel() % 16 == 0:
        whole[0].normal_(generator=rng)
        return [[part] for part in whole[0]]
    parts = [(r.gaussian, a.unbind()) for r, a in zip(requests, whole, strict=True)]
    return [
        [p[k].normal_(generator=rng) if gaussian else p[k].uniform_(generator=rng) for gaussian, p in parts]
        for k in range(steps)
    ]


def _changed(what: str) -> UsageError:
    return UsageError(f"a step {what}: steps of a compiled chain must all draw alike; use compile=False")


def _take(request: Request, rng: Rng) -> Tensor:
    return _draw(request, rng) if isinstance(rng, torch.Generator) else rng.take(request)


def _draw(request: Request, rng: torch.Generator) -> Tensor:
    sample = torch.randn if request.gaussian else torch.rand
    return sample(request.shape, generator=rng, dtype=request.dtype, device=request.device)
