"""Libraries that only some commands need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import UsageError


def scikit_learn(part: str, wanted_by: str) -> Any:
    """The module `sklearn.{part}`; raises `UsageError`, saying what to install, where there is none."""
    try:
        import_module("sklearn")
    except ModuleNotFoundError as error:
        raise UsageError(f"{wanted_by} needs scikit-learn: pip install 'gibbsian[tables]'") from error
    return import_module(f"sklearn.{part}")


def pandas(wanted_by: str) -> Any:
    """The module `pandas`; raises `UsageError`, saying what to install, where it or its reader is missing."""
    try:
        import_module("pyarrow")
        return import_module("pandas")
    except ModuleNotFoundError as error:
        raise UsageError(f"{wanted_by} need {error.name}: pip install 'gibbsian[tables]'") from error
