"""The second argument y of conditional models: labels, or conditions of p(x | c), given or drawn."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from ..core.device import device_of
from ..core.errors import UsageError
from ..core.spec import DataSpec

KEPT = 1024
"""Conditions of the training data that a model keeps, to draw from where none is given."""


class Conditional(Protocol):
    """What is read of a model here."""

    spec: DataSpec
    joint: bool
    conditions: Tensor


def draw_labels(model: Conditional, n: int, y: Tensor | None, rng: torch.Generator) -> Tensor | None:
    """`class_or_condition`; but none for a joint model, whose chains then move on its marginal."""
    model.spec.refuse_labels(y)
    return y if model.joint else class_or_condition(model, n, y, rng)


def class_or_condition(model: Conditional, n: int, y: Tensor | None, rng: torch.Generator) -> Tensor | None:
    """What was asked for, `(n,)` or `(n, D)`; else uniform classes, or conditions of training rows; None for
    models of x alone.
    """
    spec = model.spec
    if y is not None or not spec.conditional:
        return y
    if not spec.condition:
        return torch.randint(spec.num_classes, (n,), generator=rng, device=rng.device)
    known = model.conditions.to(rng.device)
    return known[torch.randint(len(known), (n,), generator=rng, device=rng.device)]


def asked(spec: DataSpec, y: Tensor | None) -> Tensor | None:
    """`y` as it is; zeros `(1, D)`, which stand for p(x), for a condition that is not given.

    Raises `UsageError` for a y that the model does not take, and for a condition that it must have.
    """
    spec.refuse_labels(y)
    if y is not None or not spec.condition:
        return y
    size = sum(spec.condition)
    if not spec.condition_dropout:
        raise UsageError(
            f"this model is one of p(x | c), c being {size} numbers: give y, a row of them, or train with "
            "net.condition_dropout, so that it knows p(x) too"
        )
    return torch.zeros(1, size)


def keep_conditions(model: Conditional, cond: Tensor | None) -> None:
    """Keep `KEPT` of the conditions `(N, D)` of training rows in the model, spread over their order."""
    if not model.spec.condition or cond is None:
        return
    rows = torch.linspace(0, len(cond) - 1, KEPT).round().long()
    model.conditions.copy_(cond[rows])


def one_condition(model: Conditional) -> Tensor | None:
    """A condition of training rows, `(1, D)`, for pictures of a model of p(x | c) that knows no p(x)."""
    if not model.spec.condition or model.spec.condition_dropout:
        return None
    return model.conditions[KEPT // 2 :][:1]


def checked_labels(model: Conditional, n: int, y: int | Tensor | None) -> Tensor | None:
    """`y` as one label `(n,)`, or one condition `(n, D)`, a sample, on the model's device.

    Raises `UsageError` for labels of another number or shape, and for unknown classes.
    """
    if y is None:
        return None
    device, spec = device_of(cast(nn.Module, model)), model.spec
    ys = torch.as_tensor(y, device=device)
    spec.refuse_labels(ys)
    if spec.condition or (spec.condition_dropout and ys.is_floating_point()):
        return _conditions(ys, n, spec.label_size)
    ys = ys.long().expand(n) if isinstance(y, int) or ys.dim() == 0 else ys
    if ys.shape != (n,):
        raise UsageError(
            f"labels have shape {tuple(ys.shape)} for {n} samples: give one class, or one a sample"
        )
    wrong = ys[(ys < 0) | (ys >= spec.num_classes)]
    if len(wrong):
        raise UsageError(
            f"class {int(wrong[0])} is unknown: this model has classes 0 to {spec.num_classes - 1}"
        )
    return ys


def _conditions(c: Tensor, n: int, size: int) -> Tensor:
    """`c` as `(n, size)` floats."""
    rows = c.float().expand(n, size) if c.shape in ((size,), (1, size)) else c.float()
    if rows.shape != (n, size) or not bool(rows.isfinite().all()):
        raise UsageError(
            f"conditions have shape {tuple(c.shape)} for {n} samples of a model of p(x | c) with {size} "
            f"finite numbers: give ({size},) for all, or ({n}, {size})"
        )
    return rows
