"""How a task says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Advance: TypeAlias = Callable[[int, int, str], None]
"""Called with parts done, parts in all, and a word about the present one."""


def silent(done: int, total: int, note: str) -> None:
    """Says nothing."""
