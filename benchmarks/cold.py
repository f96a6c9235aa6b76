"""What the compiled path costs before it runs: the first call of a new process, with and without a cache.

    cold    nothing was ever compiled: the compiler's cache is an empty folder
    warm    another process compiled the same graphs before, into the same folder

Each start is a process of its own, `python -m benchmarks.cold CASE DEVICE THREADS`, which prints
the seconds of its first call and of a later one. Importing this library is not counted, loading the
compiler is: it comes with the first call.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import torch

from gibbsian.core.errors import GibbsianError

from .cases import Case, find
from .child import answer
from .hardware import waiter
from .implementations import IMPLEMENTATIONS
from .timing import seconds

LIMIT = 900
"""Seconds after which a start is given up."""


def starts(case: Case, device: torch.device, limit: float = LIMIT) -> dict[str, float]:
    """Seconds of a cold and of a warm start of `case`, above those of a steady call, which is `steady`.

    Raises `GibbsianError` where a process fails or takes longer than `limit` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="gibbsian-bench-") as cache:
        cold, warm = (_start(case, device, Path(cache), limit) for _ in range(2))
    return {
        "cold": cold["first"] - cold["steady"],
        "warm": warm["first"] - warm["steady"],
        "steady": min(cold["steady"], warm["steady"]),
    }


def first_calls(case: Case, device: torch.device) -> dict[str, float]:
    """Seconds of the first call of this process, and the least of three later ones."""
    call = IMPLEMENTATIONS["compiled"].prepare(case.build(device))
    if call is None:
        raise GibbsianError(f"case '{case.name}' has no compiled path")
    wait = waiter(device)
    first = seconds(call, wait)
    return {"first": first, "steady": min(seconds(call, wait) for _ in range(3))}


def _start(case: Case, device: torch.device, cache: Path, limit: float) -> dict[str, float]:
    folders = ("TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME", "GIBBSIAN_CACHE")
    env = {**os.environ, **{name: str(cache / name) for name in folders}}
    threads = str(torch.get_num_threads())
    found: dict[str, float] = json.loads(
        answer(__name__, case.name, str(device), threads, limit=limit, env=env)
    )
    return found


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    print(json.dumps(first_calls(find(sys.argv[1]), torch.device(sys.argv[2]))))
