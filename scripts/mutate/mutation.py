"""One changed line of one file, and where lines are: the function that one is in."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE, TESTS = Path("src/gibbsian"), Path("tests")
"""The library and its tests, in the tree."""


@dataclass(frozen=True)
class Mutation:
    """Line `line` (from 1) of `file`, relative to the library, says `after` where it said `before`.

    Both without indentation. `function` is the qualified name of the function or method around it, "" for a
    line of a module or class; `tests` the test files that must fail, where they are known; `why` a few words.
    """

    file: str
    line: int
    before: str
    after: str
    function: str = ""
    tests: tuple[str, ...] = ()
    why: str = ""
    drawn: bool = False

    @property
    def area(self) -> str:
        """The package of the library that it is in."""
        return self.file.partition("/")[0]

    @property
    def key(self) -> str:
        """What names it while lines move."""
        return " | ".join([self.file, self.function, self.before, self.after])

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n    - {self.before}\n    + {self.after}"

    def applied(self, text: str) -> str:
        """The text of the file with the line changed; `ValueError` if the line is another."""
        lines = text.splitlines(keepends=True)
        found = lines[self.line - 1]
        if found.strip() != self.before:
            raise ValueError(f"{self.file}:{self.line} is not {self.before!r}")
        indent = found[: len(found) - len(found.lstrip())]
        lines[self.line - 1] = f"{indent}{self.after}\n"
        return "".join(lines)


Span = tuple[int, int, str]
"""First and last line of a function, decorators included, and its qualified name."""


@cache
def functions(text: str) -> tuple[Span, ...]:
    """The functions and methods of a source, without those inside functions."""
    found: list[Span] = []

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                found.append((first, node.end_lineno or first, prefix + node.name))

    visit(ast.parse(text).body, "")
    return tuple(found)


def function_at(text: str, line: int) -> str:
    """The qualified name of the function around a line, "" for none."""
    return next((name for first, last, name in functions(text) if first <= line <= last), "")


def sources(root: Path) -> list[str]:
    """The files of the library, relative to it."""
    return sorted(p.relative_to(root / SOURCE).as_posix() for p in (root / SOURCE).rglob("*.py"))
