"""The source, parsed once for all tests that read it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

HOME = Path(__file__).parents[1]
ROOT = HOME / "src" / "gibbsian"
BESIDE = ("benchmarks", "experiments")
"""Packages of the repository that use the library, and are not installed with it."""
FILES = sorted(ROOT.rglob("*.py"))
ALL_FILES = [
    *FILES,
    *(p for name in BESIDE for p in sorted((HOME / name).rglob("*.py")) if ".venv" not in p.parts),
]


@cache
def text(path: Path) -> str:
    """The text of a file."""
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    """Its syntax tree."""
    return ast.parse(text(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the tree."""
    return tuple(ast.walk(tree(path)))


def shown(path: Path) -> str:
    """Its place in the library or, beside it, in the repository."""
    return str(path.relative_to(ROOT if path.is_relative_to(ROOT) else HOME))


def package(path: Path) -> str:
    """The library's package that a file is in, "" for none."""
    parts = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else ()
    return parts[0] if len(parts) > 1 else ""


def module(path: Path) -> str:
    """The name that it is imported by."""
    top = ROOT.parent if path.is_relative_to(ROOT) else HOME
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(p): p for p in ALL_FILES}


def none(offenders: Iterable[str]) -> None:
    """Fail with every offender on a line of its own."""
    found = list(dict.fromkeys(offenders))
    assert not found, f"{len(found)} offenders:\n" + "\n".join(found)
