"""A way to call `python -m benchmarks` in process."""

from __future__ import annotations

from functools import partial

import pytest

from benchmarks.command import bench as command
from gibbsian.cli.main import program


@pytest.fixture
def bench(called):
    """`bench("chains", "--rounds", "1")`, as `python -m benchmarks chains --rounds 1`."""
    return partial(called, partial(program, "python -m benchmarks", command))
