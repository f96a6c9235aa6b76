"""Ctrl-C and SIGTERM as a flag that the loop reads between updates; a second Ctrl-C is immediate."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Signals:
    """While entered, the first SIGINT or SIGTERM only sets `received`; handlers are restored after."""

    WATCHED = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """Name of the signal that came, such as SIGTERM."""
        return signal.Signals(self.received).name if self.received else ""

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._note) for s in self.WATCHED}
        return self

    def __exit__(self, *exc: object) -> None:
        for s, handler in self._before.items():
            signal.signal(s, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
