"""What a mutation leaves alone: text for people, types, and what only a type checker reads."""

from __future__ import annotations

import ast

SAID = {"warn", "notify", "print", "require_positive", "require_not_negative", "unknown", "log"}
"""Functions whose arguments are words for a person."""
TEXTUAL = {"str", "list[str]", "tuple[list[str], dict[str, Any]]"}
"""Annotations of what a function returns that only makes text."""


def skipped(node: ast.AST) -> bool:
    """Whether a node, with all below it, is left alone."""
    if isinstance(node, ast.FunctionDef):
        returned = ast.unparse(node.returns) if node.returns else ""
        return node.name in ("__repr__", "__str__", "extra_repr") or returned in TEXTUAL
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        own = name in SAID and not (name == "log" and isinstance(node.func, ast.Attribute) and not node.args)
        return own or name.endswith(("Error", "Warning")) or name == "TypeVar"
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.annotation) in ("TypeAlias", "ClassVar[str]")
    if isinstance(node, ast.Assign):  # Found = Iterator[...]
        value = node.value
        name = value.value if isinstance(value, ast.Subscript) else None
        return isinstance(name, ast.Name) and name.id[0].isupper() and not name.id.isupper()
    return isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom))
