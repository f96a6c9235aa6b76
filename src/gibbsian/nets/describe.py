"""A network as a table: each layer with its output shape and parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .frozen import evaluating
from .layers import LabelVector
from .spectral import SpectralConv2d, SpectralLinear

WHOLE = (SpectralConv2d, SpectralLinear, LabelVector)


def describe(module: nn.Module, event_shape: tuple[int, ...], y: Tensor | None = None) -> str:
    """Name, kind, output shape (batch dimension left out) and parameter count of each layer, and the total.

    Runs one forward pass on zeros, in eval mode and without gradients; a conditional network needs a
    label `y`, `(1,)` or `(1, classes)`. Layers that the pass does not visit are not listed, but counted.
    """
    seen: list[tuple[str, str, str, int]] = []

    def note(name: str, layer: nn.Module, out: Any) -> None:
        shape = "x".join(map(str, out.shape[1:] if out.dim() > 1 else out.shape))
        seen.append((name, type(layer).__name__, shape, _parameters(layer)))

    handles = [
        layer.register_forward_hook(lambda m, _, out, name=name: note(name, m, out))
        for name, layer in _rows(module)
    ]
    like = next(module.parameters())
    x = torch.zeros(1, *event_shape, dtype=like.dtype, device=like.device)
    try:
        with evaluating(module), torch.no_grad():
            module(x) if y is None else module(x, y)
    finally:
        for handle in handles:
            handle.remove()
    return _table(seen, _parameters(module))


def _rows(module: nn.Module) -> list[tuple[str, nn.Module]]:
    inner = {id(c) for m in module.modules() if isinstance(m, WHOLE) for c in m.children()}
    layers = {n: m for n, m in module.named_modules() if isinstance(m, WHOLE) or not list(m.children())}
    return [(n or "(net)", m) for n, m in layers.items() if id(m) not in inner and _parameters(m)]


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _table(rows: list[tuple[str, str, str, int]], total: int) -> str:
    head = ("layer", "kind", "output", "parameters")
    cells = [head, *((n, k, s, f"{p:,}") for n, k, s, p in rows), ("total", "", "", f"{total:,}")]
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    sides = (str.ljust, str.ljust, str.ljust, str.rjust)
    return "\n".join("  ".join(s(c, w) for s, c, w in zip(sides, row, widths, strict=True)) for row in cells)
