"""The process that builds a package: `main`, called by what `packages` starts.

It reads the order in the folder and leaves the package there, or a line that says why not. Only this process
loads the compiler, and what it changes about it here stays here:

    layouts     operations that `layouts` has laid out are called as they are, on tensors that lie as they lie
                there; the compiler would copy weights at every step, and write the gradient of a convolution
                by few channels as scattered sums
    products    large ones by oneDNN, of weights that are inputs
    rewriting   our rules for what stands between products
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import aoti_compile_and_package, decomposition, ir, lowering, mkldnn_ir

from .layouts import ONEDNN
from .packages import FAILED, ORDER, PACKAGE
from .program import Order, read
from .rewriting import Rewrite
from .tape import Layout

aten = torch.ops.aten
AS_THEY_LIE = (aten.convolution, aten.col2im)


class Block(nn.Module):
    """An order as a module that takes a list of tensors."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """See `Order`."""
        return self.order(inputs)


def build(order: Order, path: Path) -> None:
    """Write the package of an order to `path`."""
    told_to_the_compiler()
    torch.set_num_threads(order.threads)
    p = order.program
    layouts = [*p.state, *p.drawn * order.length, *p.constants]
    with torch.no_grad():
        exported = torch.export.export(Block(order), (list(map(example, layouts)),), strict=False)
        settings = {"post_grad_custom_pre_pass": Rewrite(), "layout_optimization": False}
        aoti_compile_and_package(exported, package_path=str(path), inductor_configs=settings)


def example(layout: Layout) -> Tensor:
    """A tensor that lies in memory as those that will be given."""
    return torch.empty_strided(layout.size, layout.stride, dtype=layout.dtype)


def told_to_the_compiler() -> None:
    """Leave alone what is laid out already."""
    for operation in AS_THEY_LIE:
        decomposition.decompositions.pop(operation.default, None)
        for known in (operation, operation.default):
            lowering.lowerings.pop(known, None)
        lowering.make_fallback(
            operation.default, lowering.constrain_to_fx_strides, warn=False, override_decomp=True
        )
    if ONEDNN is not None:
        lowering.lowerings[ONEDNN] = by_onednn
        lowering.lowerings[torch.ops.mkldnn._linear_pointwise.binary] = with_another


def by_onednn(x: Any, weight: Any, bias: Any, attr: Any, scalars: Any, algorithm: Any) -> Any:
    """x W + b of a weight that is an input, which the compiler's own way does not allow."""
    return ir.TensorBox.create(mkldnn_ir.LinearUnary.create(x, weight, bias, attr, scalars, algorithm))


def with_another(x: Any, y: Any, weight: Any, bias: Any, attr: Any, layout: Any = None) -> Any:
    """The same with a sum or product behind it, into which the compiler draws what follows."""
    return ir.TensorBox.create(mkldnn_ir.LinearBinary.create(x, y, weight, bias, attr))


def main(folder: Path) -> int:
    """Build the order in `folder`; 0 if that went well."""
    if sys.platform != "win32":
        os.nice(5)  # chains may go on meanwhile
    try:
        build(read((folder / ORDER).read_text()), folder / PACKAGE)
    except Exception as error:  # whatever it is, it is told to the process that waits
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        (folder / FAILED).write_text(f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}")
        return 1
    return 0
