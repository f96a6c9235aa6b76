"""What objects say of themselves in one line: kernels, energies and their parts, for people who look."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor, nn

DIGITS, MOST = 8, 12
"""Letters of a number, and entries of a list or tuple, that are told in full."""


def one_line(record: Any) -> str:
    """The class of a dataclass or named tuple with its fields, but those at their default or None.

    Write `__repr__ = one_line` in its body.
    """
    if isinstance(record, tuple):
        named = zip(getattr(record, "_fields", ()), record, strict=False)
        told = {name: value for name, value in named if value is not None}
    else:
        shown = {f.name: (f, getattr(record, f.name)) for f in fields(record) if f.repr}
        told = {name: value for name, (f, value) in shown.items() if not _is_default(f, value)}
    parts = [f"{name}={brief(value)}" for name, value in told.items()]
    return f"{type(record).__name__}({', '.join(parts)})"


def tables(found: Any) -> str:
    """The class of a task's results and what their `text` says: write `__repr__ = tables` in its body."""
    return f"{type(found).__name__}\n{found.text()}"


def brief(value: object) -> str:
    """`value` in few words: tensors by their shape, networks by their size, functions by their names."""
    if isinstance(value, Tensor):
        return brief(value.item()) if value.dim() == 0 else f"tensor{tuple(value.shape)}"
    if isinstance(value, float) and len(repr(value)) > DIGITS:
        return f"{value:.{DIGITS - 2}g}"
    if isinstance(value, nn.Module):
        return f"{type(value).__name__} of {sum(p.numel() for p in value.parameters()):,} parameters"
    if isinstance(value, MethodType):
        return f"{type(value.__self__).__name__}.{value.__name__}"
    if isinstance(value, FunctionType):
        return value.__name__
    if isinstance(value, partial):
        return f"{brief(value.func)}(...)"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {brief(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)) and type(value).__repr__ in (list.__repr__, tuple.__repr__):
        if len(value) > MOST:
            return f"{type(value).__name__} of {len(value)}"
        inside = ", ".join(map(brief, value)) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    return repr(value)


def spread(values: Tensor) -> str:
    """Mean and deviation of the finite of some numbers, and how many are not: "1.2 ± 0.3, 4 not finite"."""
    flat = values.detach().float().flatten()
    good = flat[flat.isfinite()]
    lost = len(flat) - len(good)
    told = f"{float(good.mean()):.3g} ± {float(good.std(correction=0)):.2g}" if len(good) else "none"
    return f"{told}, {lost} not finite" if lost else told


def _is_default(field: Field[Any], value: object) -> bool:
    return field.default is not MISSING and not isinstance(value, Tensor) and bool(value == field.default)
