"""What `--compile auto` saves in trainings of every embedded preset: `python -m benchmarks.auto`.

Embedded presets need no data set from elsewhere: densities in the plane and the built-in digits. Each is
trained for a number of updates in processes of their own: once with `--compile always`, which builds what is
not there into a folder of its own (`building`), then by turns with `--compile never` and with `auto`, which
uses what was built. Seconds are those of the whole command, imports and pictures included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gibbsian.models.papers import PAPERS
from gibbsian.train.recipes import presets

EMBEDDED = ("toy:", "digits")


def main() -> int:
    """Print a line for each preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="*", help="by default all")
    parser.add_argument("--steps", type=int, default=100, help="updates of each training")
    parser.add_argument("--rounds", type=int, default=2, help="turns")
    options = parser.parse_args()
    print("preset, seconds with never, with auto, ratio, seconds of building more than with never")
    with tempfile.TemporaryDirectory(prefix="gibbsian-auto-") as folder:
        for system in options.systems or list(PAPERS):
            for name, recipe in presets(system).items():
                if recipe.data.startswith(EMBEDDED):
                    print(line(system, name, options.steps, options.rounds, Path(folder)), flush=True)
    return 0


def line(system: str, preset: str, steps: int, rounds: int, folder: Path) -> str:
    """The seconds of one preset."""
    built = trained(system, preset, steps, "always", folder)
    took: dict[str, list[float]] = {"never": [], "auto": []}
    for k in range(rounds):
        for how in ("never", "auto") if k % 2 == 0 else ("auto", "never"):
            took[how].append(trained(system, preset, steps, how, folder))
    never, auto = (statistics.median(took[how]) for how in ("never", "auto"))
    return f"{system} {preset}, {never:.1f}, {auto:.1f}, {auto / never:.2f}, {built - never:.0f}"


def trained(system: str, preset: str, steps: int, how: str, folder: Path) -> float:
    """Seconds of a training; raises `RuntimeError` with its last line where it fails."""
    command = [sys.executable, "-m", "gibbsian", "train", system, "--preset", preset, "--steps", str(steps)]
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as out:
        begun = time.perf_counter()
        done = subprocess.run(
            [*command, "--compile", how, "--out", f"{out}/run"],
            env={**os.environ, "GIBBSIAN_CACHE": str(folder / "packages")},
            capture_output=True,
            text=True,
        )
        took = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{system} {preset}: {done.stderr.strip().splitlines()[-1]}")
    return took


if __name__ == "__main__":
    sys.exit(main())
