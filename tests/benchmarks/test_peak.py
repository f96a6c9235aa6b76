"""A process tells its own peak, and one that fails says why."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import peak as module
from benchmarks.child import ROOT
from benchmarks.peak import highest, peak
from gibbsian.core.errors import GibbsianError

GROWING = """
from benchmarks.peak import highest
before = highest()
held = bytearray(b"x") * (int(before) + 64 << 20)
during = highest()
del held
print(before, during, highest())
"""


def test_the_peak_goes_up_with_what_is_held_and_never_down() -> None:
    """To 2 MiB: the kernel adds up its counters of pages only now and then."""
    done = subprocess.run(
        [sys.executable, "-c", GROWING], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    before, during, after = map(float, done.stdout.split())
    assert during - before > 60 and after > during - 2


def test_another_way_to_count_agrees(monkeypatch) -> None:
    """The kernel's two counters, except that one remembers what forked this process."""
    usual = highest()

    def missing(*args):
        raise OSError

    monkeypatch.setattr(module, "open", missing, raising=False)
    assert highest() > 0.9 * usual


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(GibbsianError, match="failed: .*No module named"):
        peak("gibbsian.nowhere")
    with pytest.raises(GibbsianError, match="more than 0.01 s"):
        peak("benchmarks.scaling", "10", "1", limit=0.01)
