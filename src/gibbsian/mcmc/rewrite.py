"""What the compiler leaves on the table in the graph of a chain, on a CPU.

The graph of a step is a forward pass and the gradient by position. The compiler fuses what stands between
the matrix products, but not always well: each rule below makes the same numbers by other operations,
and `docs/benchmarks.md` says what they save together.

    bias        addmm(b, x, w)       ->  mm(x, w) + b           b is no longer copied to all rows first
    thin        mm with few columns  ->  products and sums      a matrix product of 2 columns wastes its tiles
    outer       mm over few terms    ->  sum of outer products  fused into what follows
    share       silu(x), sigmoid(x)  ->  one sigmoid            the forward pass's serves the gradient

Rules look at one graph of `aten` operations, float32 or wider, and change no shape.
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


def bias(graph: Graph, node: Node) -> Node | None:
    """`mm + b` for an addmm without scale factors."""
    b, x, w = node.args
    return None if node.kwargs else call(graph, aten.add.Tensor, call(graph, aten.mm.default, x, w), b)


def narrow(graph: Graph, node: Node) -> Node | None:
    """A product `(M, K) (K, N)` of small N or K as elementwise products and sums."""
    x, w = node.args
    assert isinstance(x, Node) and isinstance(w, Node)
    terms, columns = _value(w).shape
    if terms <= FEW:
        return outer(graph, x, w, terms)
    return thin(graph, x, w, columns) if columns <= FEW else None


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


def thin(graph: Graph, x: Node, w: Node, columns: int) -> Node:
    """Columns (x * w[:, n]).sum(1), side by side."""
    made = []
    for n in range(columns):
        column = call(graph, aten.select.int, w, 1, n)
        product = call(graph, aten.mul.Tensor, x, column)
        made.append(call(graph, aten.sum.dim_IntList, product, [1], True))
    return made[0] if columns == 1 else call(graph, aten.cat.default, made, 1)


def gate(graph: Graph, node: Node) -> Node:
    """silu(x) as x * sigmoid(x)."""
    x = node.args[0]
    return call(graph, aten.mul.Tensor, x, call(graph, aten.sigmoid.default, x))


def share(graph: Graph) -> None:
    """One sigmoid for each argument."""
    known: dict[Node, Node] = {}
    order = {node: k for k, node in enumerate(graph.nodes)}
    for node in sorted(
        graph.find_nodes(op="call_function", target=aten.sigmoid.default), key=order.__getitem__
    ):
        first = known.setdefault(node.args[0], node)
        if first is not node:
            node.replace_all_uses_with(first)
            graph.erase_node(node)


def call(graph: Graph, target: Callable[..., Any], *args: Any) -> Node:
    """A node for target(*args), with the fake value that the compiler keeps beside each node."""
    node = graph.call_function(target, args)
    values = torch.fx.node.map_arg(args, _value)
    mode = next(v.fake_mode for v in _tensors(values))
    with mode:
        node.meta["val"] = target(*values)
    return node


def _value(node: Node) -> Any:
    return node.meta["val"]


def _tensors(values: Any) -> list[Any]:
    flat, _ = torch.utils._pytree.tree_flatten(values)
    return [v for v in flat if isinstance(v, torch.Tensor)]


RULES: list[tuple[Any, Callable[[Graph, Node], Node | None]]] = [
    (aten.addmm.default, bias),
    (aten.mm.default, narrow),
    (aten.silu.default, gate),
]
