"""The most memory that a process ever held. A peak never goes down again, so each is measured in its own."""

from __future__ import annotations

import sys

from .child import answer

LIMIT = 300
"""Seconds after which a process is given up."""


def peak(module: str, *words: str, limit: float = LIMIT) -> float:
    """The number that `python -m module words` prints last: its own `highest()`, in MiB.

    Raises `GibbsianError` where it fails or takes longer than `limit` seconds.
    """
    return float(answer(module, *words, limit=limit).split()[-1])


def highest() -> float:
    """The peak of the resident memory of this process so far, in MiB."""
    try:
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) / 1024
    except (OSError, KeyError):
        return _usage()


def _usage() -> float:
    """As it is counted outside of Linux: in bytes on macOS, else in kilobytes."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
