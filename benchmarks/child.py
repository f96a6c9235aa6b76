"""A measurement in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from gibbsian.core.errors import GibbsianError

ROOT = Path(__file__).resolve().parents[1]
"""Where `python -m benchmarks` finds this package."""


def answer(module: str, *words: str, limit: float, env: Mapping[str, str] | None = None) -> str:
    """The last line that `python -m module words` prints.

    Raises `GibbsianError` where it fails or takes longer than `limit` seconds.
    """
    command, called = [sys.executable, "-m", module, *words], " ".join([module, *words])
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, timeout=limit, capture_output=True, text=True, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise GibbsianError(f"{called} took more than {limit:g} s: given up") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise GibbsianError(f"{called} failed: {last}") from error
    return done.stdout.splitlines()[-1]
