"""`python -m benchmarks WHAT ...`, from the folder of the repository."""

from __future__ import annotations

import sys

from gibbsian.cli.main import program

from .command import bench

if __name__ == "__main__":
    sys.exit(program("python -m benchmarks", bench))
