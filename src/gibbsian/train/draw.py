"""`gibbsian.sample`: draw from a trained system."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.random import RngLike, Streams, as_generator
from ..systems.base import Samples, System
from ..systems.base import sample as draw


def sample(
    system: System,
    n: int,
    *,
    y: int | Tensor | None = None,
    steps: int | None = None,
    seed: int = 0,
    rng: RngLike = None,
    thin: int = 0,
    chunk: int = 512,
) -> Samples:
    """Draw `n` samples by the system's own chain from noise.

    Args:
        y: class for a conditional model, one for all or a `(n,)` tensor; uniform classes by default.
        steps: chain steps; the system's own number by default.
        seed: seed of the draw, unless `rng`, a generator or a seed, is given. The same seed gives the same
            samples.
        thin: keep every `thin`-th position in `result.chains[i].trace`.
        chunk: chains moved together.

    Raises:
        UsageError: n or steps below 1, an unknown class, or a label for a model without labels.
    """
    if not isinstance(n, int):
        raise UsageError(f"n is {n!r}: give a whole number of samples")
    if n < 1 or (steps is not None and steps < 1):
        raise UsageError(f"asked for {n} samples in {steps} steps: both must be at least 1")
    device = next(system.parameters()).device
    rng = Streams(seed, device=device).eval if rng is None else as_generator(rng, device)
    classes = system.config.net.classes
    if y is None and classes:
        y = torch.randint(classes, (n,), generator=rng, device=device)
    return draw(system, n, rng=rng, y=labels(system, n, y, device), steps=steps, thin=thin, chunk=chunk)


def labels(system: System, n: int, y: int | Tensor | None, device: torch.device) -> Tensor | None:
    """`y` as a `(n,)` tensor, checked against the system's classes; raises `UsageError`."""
    if y is None:
        return None
    classes = system.config.net.classes
    ys = (
        torch.as_tensor(y, device=device).long().expand(n)
        if isinstance(y, int) or y.dim() == 0
        else y.to(device)
    )
    if ys.shape != (n,):
        raise UsageError(
            f"labels have shape {tuple(ys.shape)} for {n} samples: give one class, or one a sample"
        )
    if not classes:
        raise UsageError("this model has no labels: leave out the label, or train with net.classes > 0")
    unknown = ys[(ys < 0) | (ys >= classes)]
    if len(unknown):
        raise UsageError(f"class {int(unknown[0])} is unknown: this model has classes 0 to {classes - 1}")
    return ys
