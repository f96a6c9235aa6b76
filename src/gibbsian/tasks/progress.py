"""How a task says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from ..core.pace import Pace

Advance: TypeAlias = Callable[[int, int, str], None]
"""Called with parts done, parts in all, and a word about the present one."""


def within(say: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    """Told (steps done, steps), says now and then how far `what` is."""
    return Pace(what, say=say)


def silent(done: int, total: int, note: str) -> None:
    """Says nothing."""


Bars: TypeAlias = Callable[[str, str], AbstractContextManager[Advance]]
"""`bars(what, unit)` opens a progress bar, and gives what is to be called with (done, of, note)."""


def no_bars(what: str, unit: str) -> AbstractContextManager[Advance]:
    """Progress that nobody watches."""
    return nullcontext(silent)
