"""Whether every preset for built-in data trains without an alarm, on the seeds and processors asked for.

python -m experiments.health F.jsonl [--seeds 3] [--only jem/digits,igebm/toy] [--simd avx2]    train and note
python -m experiments.health F.jsonl --table                                                   what came out

Each run is `gibbsian train SYSTEM --preset NAME --seed S` on one thread, in full, or for its first `--limit`
seconds; those noted in F.jsonl are not run again. `--simd avx2` hides wider vector units from torch, so that
one machine speaks for two. A run is healthy if it ended without an alarm: no rollback, no exit code 4.
`nearest` is how close it came: the largest watched number of any logged update as a share of its bound (see
`gibbsian.train.monitor`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from gibbsian.core.errors import unknown
from gibbsian.data.load import load
from gibbsian.models.papers import all_papers
from gibbsian.report.tables import table
from gibbsian.train.fit import stored_config
from gibbsian.train.folder import RunFolder
from gibbsian.train.monitor import BOUNDS, Monitor, scale_of
from gibbsian.train.recipes import presets

CUT = 130
"""Exit code of a run that was stopped after its first minutes."""
INSIDE = ("digits", "toy:", "table:", "pointmass:")
NARROW = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


@dataclass(frozen=True)
class Case:
    """One training."""

    preset: str
    seed: int
    simd: str

    @property
    def key(self) -> str:
        """What names it in the file."""
        return f"{self.preset} {self.seed} {self.simd}"


def built_in(only: str = "") -> list[str]:
    """SYSTEM/PRESET of every preset whose data are in the package, or those of them that `only` lists."""
    found = [
        f"{system}/{name}"
        for system in all_papers()
        for name, recipe in presets(system).items()
        if recipe.data.startswith(INSIDE)
    ]
    asked = only.split(",") if only else found
    for name in asked:
        if name not in found:
            raise unknown("preset for built-in data", name, found)
    return asked


def train(case: Case, out: Path, limit: float | None) -> dict[str, Any]:
    """What came of one run: exit code, updates, rollbacks, seconds of processor time, `nearest` and what."""
    system, preset = case.preset.split("/")
    words = f"train {system} --preset {preset} --seed {case.seed}".split()
    room = {**os.environ, "OMP_NUM_THREADS": "1", **(NARROW if case.simd == "avx2" else {})}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-m", "gibbsian", *words, "--out", str(out)]
    code = waited(subprocess.Popen(command, env=room, stdout=PIPE, stderr=PIPE), limit)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    record = RunFolder(out).record()
    share, what = nearest(out)
    told = {"code": code, "updates": record.get("step"), "rollbacks": record.get("rollbacks")}
    return {**told, "seconds": round(seconds, 1), "nearest": round(share, 3), "what": what}


def waited(run: subprocess.Popen[bytes], limit: float | None) -> int:
    """The exit code of a run; one that is still going after `limit` seconds is told to save and stop."""
    try:
        run.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGINT)
        run.communicate()
    return run.returncode


def nearest(out: Path) -> tuple[float, str]:
    """The largest watched number as a share of its bound, and its name."""
    run = stored_config(out)
    low, high = (run.model.pixels.low, run.model.pixels.high)
    monitor = Monitor(run.monitor, scale_of(load(run.data), low, high))
    shares = (
        (monitor.relative(key, line[key]) / getattr(run.monitor, BOUNDS[key][0]), key)
        for line in RunFolder(out).lines()
        for key in BOUNDS
        if key in line
    )
    return max(shares, default=(0.0, ""))


def show(path: Path) -> str:
    """One row a preset and processor: runs, alarms, rollbacks, how near the nearest came."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in noted(path).values():
        rows.setdefault((line["preset"], line["simd"]), []).append(line)
    return table(
        ["", "units", "seeds", "alarms", "rollbacks", "nearest", "of", "seconds"],
        [[preset, simd, *summary(lines)] for (preset, simd), lines in sorted(rows.items())],
    )


def summary(lines: list[dict[str, Any]]) -> list[str]:
    """The cells of one preset's runs."""
    worst = max(lines, key=lambda line: line["nearest"])
    alarms = sum(line["code"] not in (0, CUT) or line["rollbacks"] > 0 for line in lines)
    cut = sum(line["code"] == CUT for line in lines)
    seconds = sum(line["seconds"] for line in lines) / len(lines)
    counts = [
        f"{len(lines)}{f' ({cut} cut)' if cut else ''}",
        str(alarms),
        str(sum(line["rollbacks"] for line in lines)),
    ]
    return [*counts, f"{worst['nearest']:.2f}", worst["what"], f"{seconds:.0f}"]


def noted(path: Path) -> dict[str, dict[str, Any]]:
    """The runs of a file by their key."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {found["key"]: found for found in map(json.loads, lines)}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--simd", choices=("native", "avx2"), default="native")
    parser.add_argument("--limit", type=float, help="seconds after which a run is stopped")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        return print(show(asked.file))
    seeds = range(asked.first, asked.first + asked.seeds)
    for case in (Case(name, seed, asked.simd) for seed in seeds for name in built_in(asked.only)):
        if case.key in noted(asked.file):
            continue
        with tempfile.TemporaryDirectory() as folder:
            line = {"key": case.key, **vars(case), **train(case, Path(folder) / "run", asked.limit)}
        with asked.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
