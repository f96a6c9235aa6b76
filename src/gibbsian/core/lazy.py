"""Packages whose names are imported when first used, so that `import gibbsian` and `--help` stay quick."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def lazy_names(
    package: str, file: str, *, explain: bool = False
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package, by the relative imports in its own `file`: those
    under `if TYPE_CHECKING:` run when a name is first used.

    With `explain` errors of what is found are told as `core.explain` does.
    """
    places = declared(file)

    def found(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        place, inside = places[name]
        module = importlib.import_module(place, package)
        thing = getattr(module, inside)
        if explain:
            thing = importlib.import_module(".explain", __package__).explained(thing)
            setattr(module, inside, thing)  # one object under both names, as pickle asks
            setattr(sys.modules[package], name, thing)
        return thing

    return found, lambda: sorted(places), list(places)


def declared(file: str) -> dict[str, tuple[str, str]]:
    """The module and the name there of everything that a package's `file` imports from its own library."""
    imports = [n for n in ast.walk(ast.parse(Path(file).read_text())) if isinstance(n, ast.ImportFrom)]
    return {
        alias.asname or alias.name: ("." * node.level + str(node.module), alias.name)
        for node in imports
        if node.level and not str(node.module).endswith("core.lazy")
        for alias in node.names
    }
