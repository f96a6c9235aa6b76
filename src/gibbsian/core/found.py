"""Code of a person's own by name: `module:NAME` of a module beside them or installed, or `FILE.py:NAME`.

Names that a person gives are imported. Names that a file gives run code of the file's choice: they are
refused unless the person has named them too, or trusts the file (`trust`).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UsageError

_TRUSTED: set[str] = set()


def trust(name: str = "*") -> None:
    """Let files name this piece of code in this process; "*" lets them name any."""
    _TRUSTED.add(name)


def require_trusted(name: str, what: str, remedy: str) -> None:
    """Raise `UsageError` for code that a file names and that nobody here has named; `remedy` says the way
    out.
    """
    if not _TRUSTED & {name, "*"}:
        raise UsageError(f"the stored settings ask for code of their own, {what} '{name}': {remedy}")


def given_like(name: str) -> str | None:
    """The piece of code that the person named here, where a file names one of the same file and class from
    another folder."""
    return next((own for own in sorted(_TRUSTED) if own != "*" and _ends(own) == _ends(name)), None)


def _ends(name: str) -> tuple[str, str]:
    place, _, thing = name.rpartition(":")
    return Path(place).name.removesuffix(".py").rpartition(".")[2], thing


def imported(path: str, what: str) -> Any:
    """The object that `path` names; `what` it is, for the error. This runs the code of its module.

    Raises `UsageError` if it cannot be found.
    """
    place, _, name = path.rpartition(":")
    try:
        module = _from_file(Path(place).expanduser()) if place.endswith(".py") else _from_here(place)
        return getattr(module, name)
    except (Exception, SystemExit) as error:  # whatever its module does when it is imported
        known = isinstance(error, (ImportError, AttributeError, SyntaxError))
        said = error if known else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"{what} '{path}' cannot be imported ({said}): write module:NAME of a module beside you or on "
            "PYTHONPATH, or FILE.py:NAME"
        ) from error


def _from_here(name: str) -> ModuleType:
    """Import by name, from the current folder where it is nowhere else."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that nothing beside you hides an installed module
    return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses look up the module of their class
    spec.loader.exec_module(module)
    return module
