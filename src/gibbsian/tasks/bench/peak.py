"""The most memory that a process ever held. A peak never goes down again, so each is measured in its own."""

from __future__ import annotations

import subprocess
import sys

from ...core.errors import GibbsianError

LIMIT = 300
"""Seconds after which a process is given up."""


def peak(module: str, *words: str, limit: float = LIMIT) -> float:
    """The number that `python -m module words` prints last: its own `highest()`, in MiB.

    Raises `GibbsianError` where it fails or takes longer than `limit` seconds.
    """
    command = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(command, timeout=limit, capture_output=True, text=True, check=True)
    except subprocess.TimeoutExpired as error:
        raise GibbsianError(f"{module} {' '.join(words)} took more than {limit:g} s: given up") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise GibbsianError(f"{module} {' '.join(words)} failed: {last}") from error
    return float(done.stdout.split()[-1])


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
