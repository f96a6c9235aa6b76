"""Small changes of meaning that the syntax tree of a file offers, each within one line.

What is only said is left out: docstrings, messages, text for people, annotations, types.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .left_out import skipped

Swap = tuple[int, int, str]
"""Bytes from here to there of a line, and what takes their place."""

ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
}
COMPARED: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
PAIRS = (("min", "max"), ("minimum", "maximum"), ("amin", "amax"), ("floor", "ceil"), ("any", "all"))
METHODS = (("sum", "mean"), ("zeros", "ones"), ("new_zeros", "new_ones"))
TWINS = {a: b for first, second in PAIRS for a, b in ((first, second), (second, first))}
TWIN_METHODS = {a: b for first, second in (*PAIRS, *METHODS) for a, b in ((first, second), (second, first))}
DROPPED = {"detach", "abs", "square", "sqrt", "exp", "log", "neg", "clone", "contiguous"}
"""Methods without arguments that may be left out."""
ORDERED = {
    "isinstance",
    "issubclass",
    "getattr",
    "hasattr",
    "setattr",
    "cast",
    "tree_map",
    "map",
    "zip",
    "max",
    "min",
}
"""Functions that fail at once when two arguments are swapped, or in which the order does not matter."""


@dataclass(frozen=True)
class Change:
    """A change of one line: its number, the kind of operator, and the swap."""

    line: int
    kind: str
    swap: Swap

    def applied(self, line: str) -> str:
        """The line with the change made."""
        start, end, new = self.swap
        raw = line.encode()
        return (raw[:start] + new.encode() + raw[end:]).decode()


def changes(text: str) -> list[Change]:
    """Everything that can be changed in a source, in the order of the tree."""
    lines = [line.encode() for line in text.splitlines()]
    return [Change(number, kind, swap) for number, kind, swap in _Finder(lines).walk(ast.parse(text))]


Found = Iterator[tuple[int, str, Swap]]


class _Finder:
    """Walks a tree and asks every node of interest what it offers."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.offers: dict[type[ast.AST], Callable[[ast.AST], Found]] = {
            ast.BinOp: self._arithmetic,
            ast.Compare: self._comparison,
            ast.UnaryOp: self._sign,
            ast.Constant: self._constant,
            ast.BoolOp: self._bool,
            ast.IfExp: self._choice,
            ast.If: self._condition,
            ast.Call: self._call,
            ast.Subscript: self._index,
            ast.AugAssign: self._augmented,
            ast.Return: self._returned,
            ast.Expr: self._statement,
        }

    def walk(self, node: ast.AST) -> Found:
        """What a node and all below it offer, but for what is left out."""
        if skipped(node):
            return
        if type(node) in self.offers:
            yield from self.offers[type(node)](node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            return
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_params", "decorator_list", "bases"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.walk(child)

    def text(self, node: ast.expr) -> str:
        """The source of a node on one line."""
        return self.lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str, kind: str) -> Found:
        """`new` for the operator `old` that stands between two operands on one line."""
        if left.end_lineno != right.lineno or left.end_col_offset is None:
            return
        gap = self.lines[right.lineno - 1][left.end_col_offset : right.col_offset]
        at = gap.find(old.encode())
        if at >= 0:
            start = left.end_col_offset + at
            yield right.lineno, kind, (start, start + len(old.encode()), new)

    def whole(self, node: ast.expr | ast.stmt, new: str, kind: str) -> Found:
        """`new` for a node on one line."""
        if node.lineno == node.end_lineno and node.end_col_offset is not None:
            yield node.lineno, kind, (node.col_offset, node.end_col_offset, new)

    def _arithmetic(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.BinOp)
        joined = (ast.List, ast.Tuple, ast.JoinedStr, ast.Dict, ast.ListComp)
        plain = not any(isinstance(side, joined) or _is_text(side) for side in (node.left, node.right))
        if type(node.op) in ARITHMETIC and plain:
            yield from self.between(node.left, node.right, *ARITHMETIC[type(node.op)], "arithmetic")

    def _comparison(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.Compare)
        sides = [node.left, *node.comparators]
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            old, news = COMPARED[type(op)]
            for new in news:
                yield from self.between(left, right, old, new, "comparison")

    def _sign(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.UnaryOp)
        if (
            isinstance(node.op, ast.USub)
            and isinstance(node.operand, ast.Constant)
            and node.operand.value == 1
        ):
            yield from self.whole(node, "0", "index")
        elif node.lineno == node.operand.end_lineno:
            yield from self.whole(node, self.text(node.operand), "sign")

    def _constant(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.Constant)
        value = node.value
        if isinstance(value, bool):
            yield from self.whole(node, str(not value), "truth")
        elif isinstance(value, int):
            yield from self.whole(node, str(1 - value if value in (0, 1) else value + 1), "constant")
        elif isinstance(value, float):
            yield from self.whole(node, repr(2 * value) if value else "1.0", "constant")

    def _bool(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.BoolOp)
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from self.between(left, right, old, new, "logic")

    def _choice(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.IfExp)
        if node.test.lineno == node.test.end_lineno:
            yield from self.whole(node.test, f"not ({self.text(node.test)})", "condition")

    def _condition(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.If)
        if node.test.lineno == node.test.end_lineno and not isinstance(node.test, ast.NamedExpr):
            yield from self.whole(node.test, f"not ({self.text(node.test)})", "condition")

    def _call(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.Call)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        end, line = node.func.end_col_offset or 0, node.func.end_lineno or 0
        twins = TWIN_METHODS if isinstance(node.func, ast.Attribute) else TWINS
        if name in twins:
            yield line, "twin", (end - len(name), end, twins[name])
        for keyword in node.keywords:
            if name.startswith("clamp") and keyword.arg in ("min", "max"):
                yield keyword.lineno, "twin", (keyword.col_offset, keyword.col_offset + 3, TWINS[keyword.arg])
        if name in DROPPED and isinstance(node.func, ast.Attribute) and not (node.args or node.keywords):
            if node.func.value.lineno == node.end_lineno:
                yield from self.whole(node, self.text(node.func.value), "dropped")
        names = [a for a in node.args if isinstance(a, (ast.Name, ast.Attribute))]
        if (
            name not in ORDERED
            and len(node.args) == len(names) == 2
            and names[0].lineno == names[1].end_lineno
        ):
            first, second = self.text(names[0]), self.text(names[1])
            start, stop = names[0].col_offset, names[1].end_col_offset or 0
            if first != second:
                yield names[0].lineno, "arguments", (start, stop, f"{second}, {first}")

    def _index(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.Subscript)
        if isinstance(node.slice, ast.Constant) and node.slice.value == 0:
            yield from self.whole(node.slice, "-1", "index")

    def _augmented(self, node: ast.AST) -> Found:
        assert isinstance(node, ast.AugAssign)
        if type(node.op) in ARITHMETIC:
            old, new = (f"{sign}=" for sign in ARITHMETIC[type(node.op)])
            yield from self.between(node.target, node.value, old, new, "arithmetic")

    def _returned(self, node: ast.AST) -> Found:
        """The first argument of a returned call in place of what the call makes of it."""
        assert isinstance(node, ast.Return)
        call = node.value
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Name):
            yield from self.whole(call, self.text(call.args[0]), "returned")

    def _statement(self, node: ast.AST) -> Found:
        """A call that stands alone, for its effect, left out."""
        assert isinstance(node, ast.Expr)
        if isinstance(node.value, ast.Call):
            yield from self.whole(node, "pass", "statement")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
