"""What the compiler leaves on the table in the graph of a chain, on a CPU.

The graph of a step is a forward pass and the gradient by position. The compiler fuses what stands between
the matrix products, but not always well: each rule below makes the same numbers by other operations,
and `docs/benchmarks.md` says what they save together.

    thin        mm with few columns  ->  products and sums      a matrix product of 2 columns wastes its tiles
    outer       mm over few terms    ->  sum of outer products  fused into what follows; its bias too
    share       silu(x), sigmoid(x)  ->  one sigmoid            the forward pass's serves the gradient

The weights of the first two are laid out once a graph, so that all their loads are of neighbours.

Rules look at one graph of `aten` operations and change no shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

aten = torch.ops.aten
FEW = 4


class Rewrite(CustomGraphPass):
    """All rules, as a pass that `torch.compile` runs once over a graph."""

    def __call__(self, graph: Graph) -> None:
        for target, rule in RULES:
            for node in graph.find_nodes(op="call_function", target=target):
                with graph.inserting_before(node):
                    new = rule(graph, node)
                if new is not None:
                    node.replace_all_uses_with(new)
                    graph.erase_node(node)
        share(graph)

    def uuid(self) -> Any:
        """What the compiler's cache knows this pass by: the text of this file."""
        return get_hash_for_files((__file__,))


def affine(graph: Graph, node: Node) -> Node | None:
    """addmm(b, x, w) without scale factors as a narrow product and a sum."""
    b, x, w = node.args
    assert isinstance(x, Node) and isinstance(w, Node)
    product = None if node.kwargs else narrowed(graph, x, w)
    return None if product is None else call(graph, aten.add.Tensor, product, b)


def narrow(graph: Graph, node: Node) -> Node | None:
    """mm(x, w) as a narrow product."""
    x, w = node.args
    assert isinstance(x, Node) and isinstance(w, Node)
    return narrowed(graph, x, w)


def narrowed(graph: Graph, x: Node, w: Node) -> Node | None:
    """A product `(M, K) (K, N)` of small N or K as elementwise products and sums; None if both are large."""
    if not _value(w).is_floating_point():  # a sum of whole numbers has another type
        return None
    terms, columns = _value(w).shape
    if terms <= FEW:
        return outer(graph, x, laid_out(graph, w), terms)
    return thin(graph, x, laid_out(graph, w, turned=True), columns) if columns <= FEW else None


def outer(graph: Graph, x: Node, w: Node, terms: int) -> Node:
    """The sum over k of x[:, k:k+1] * w[k:k+1]."""
    total: Node | None = None
    for k in range(terms):
        left = call(graph, aten.slice.Tensor, x, 1, k, k + 1)
        right = call(graph, aten.slice.Tensor, w, 0, k, k + 1)
        part = call(graph, aten.mul.Tensor, left, right)
        total = part if total is None else call(graph, aten.add.Tensor, total, part)
    assert total is not None
    return total


def thin(graph: Graph, x: Node, turned: Node, columns: int) -> Node:
    """Columns (x * w[:, n]).sum(1), side by side, of w given as its transpose."""
    made = []
    for n in range(columns):
        column = call(graph, aten.select.int, turned, 0, n)
        product = call(graph, aten.mul.Tensor, x, column)
        made.append(call(graph, aten.sum.dim_IntList, product, [1], True))
    return made[0] if columns == 1 else call(graph, aten.cat.default, made, 1)


def laid_out(graph: Graph, w: Node, *, turned: bool = False) -> Node:
    """`w`, or its transpose, with the entries of a row side by side in memory."""
    w = call(graph, aten.permute.default, w, [1, 0]) if turned else w
    if _value(w).is_contiguous():
        return w
    copy = call(graph, aten.clone.default, w, memory_format=torch.contiguous_format)
    # A strided view of the copy keeps the compiler from undoing it inside its readers.
    return call(graph, aten.as_strided.default, copy, list(_value(copy).shape), list(_value(copy).stride()))


def gate(graph: Graph, node: Node) -> Node:
    """silu(x) as x * sigmoid(x)."""
    x = node.args[0]
    return call(graph, aten.mul.Tensor, x, call(graph, aten.sigmoid.default, x))


def share(graph: Graph) -> None:
    """One node for each sigmoid of an argument and each layout of a weight."""
    known: dict[str, Node] = {}
    for node in list(graph.nodes):
        if node.target in SHARED:
            first = known.setdefault(f"{node.target} {node.args} {node.kwargs}", node)
            if first is not node:
                node.replace_all_uses_with(first)
                graph.erase_node(node)


def call(graph: Graph, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Node:
    """A node for target(*args), with the shape-only value that the compiler keeps beside each node."""
    node = graph.call_function(target, args, kwargs)
    values = torch.fx.node.map_arg(args, _value)
    mode = next(v.fake_mode for v in _tensors(values))
    # Later rules, and the compiler after them, read shape and layout from there.
    with mode:
        node.meta["val"] = target(*values, **kwargs)
    return node


def _value(node: Node) -> Any:
    return node.meta["val"]


def _tensors(values: Any) -> list[Any]:
    flat, _ = torch.utils._pytree.tree_flatten(values)
    return [v for v in flat if isinstance(v, torch.Tensor)]


RULES: list[tuple[Any, Callable[[Graph, Node], Node | None]]] = [
    (aten.addmm.default, affine),
    (aten.mm.default, narrow),
    (aten.silu.default, gate),
]
SHARED = (
    aten.sigmoid.default,
    aten.t.default,
    aten.permute.default,
    aten.clone.default,
    aten.as_strided.default,
)
