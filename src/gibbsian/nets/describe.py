"""A network as a table: each layer with its output shape and parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import GibbsianError, UsageError
from .frozen import evaluating
from .layers import LabelVector
from .spectral import SpectralConv2d, SpectralLinear
from .trial import reason, two_rows

WHOLE = (SpectralConv2d, SpectralLinear, LabelVector)


def describe(module: nn.Module, event_shape: tuple[int, ...], y: Tensor | None = None) -> str:
    """Name, kind, output shape (batch dimension left out) and parameter count of each layer, and the total.

    Runs one forward pass on zeros, in eval mode and without gradients; a conditional network needs a
    label `y`, `(1,)` or `(1, classes)`. Layers that the pass does not visit are not listed, but counted; lazy
    ones are initialised. Raises `UsageError` where it cannot be called so.
    """
    seen: list[tuple[str, str, str, int]] = []

    def note(name: str, layer: nn.Module, out: Any) -> None:
        out = out[0] if isinstance(out, tuple) else out  # as of recurrent layers
        size = getattr(out, "shape", ())
        shape = "x".join(map(str, size[1:] if len(size) > 1 else size))
        seen.append((name, type(layer).__name__, shape, _parameters(layer)))

    handles = [
        layer.register_forward_hook(lambda m, _, out, name=name: note(name, m, out))
        for name, layer in _rows(module)
    ]
    x = two_rows(module, event_shape, 0.0, 0.0)[:1]
    try:
        with torch.random.fork_rng(devices=[]), evaluating(module), torch.no_grad():
            module(x) if y is None else module(x, y)
    except GibbsianError:
        raise
    except Exception as error:  # it may be a person's own code
        given = tuple(x.shape) if y is None else f"{tuple(x.shape)} with labels {tuple(y.shape)}"
        said = f"{type(module).__name__} cannot be called on {given}: {reason(error)}"
        raise UsageError(f"{said}; event_shape is that of one datum") from error
    finally:
        for handle in handles:
            handle.remove()
    return _table(seen, _parameters(module))


def _rows(module: nn.Module) -> list[tuple[str, nn.Module]]:
    inner = {id(c) for m in module.modules() if isinstance(m, WHOLE) for c in m.children()}
    layers = {n: m for n, m in module.named_modules() if isinstance(m, WHOLE) or not list(m.children())}
    return [(n or "(net)", m) for n, m in layers.items() if id(m) not in inner and [*m.parameters()]]


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _table(rows: list[tuple[str, str, str, int]], total: int) -> str:
    head = ("layer", "kind", "output", "parameters")
    cells = [head, *((n, k, s, f"{p:,}") for n, k, s, p in rows), ("total", "", "", f"{total:,}")]
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    sides = (str.ljust, str.ljust, str.ljust, str.rjust)
    return "\n".join("  ".join(s(c, w) for s, c, w in zip(sides, row, widths, strict=True)) for row in cells)
