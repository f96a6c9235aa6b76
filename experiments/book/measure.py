"""The record of a folder of runs: each is evaluated by the command line, and what it printed is kept."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gibbsian as gb
from gibbsian.metrics.interval import Interval
from gibbsian.models.papers import entry
from gibbsian.report import tables
from gibbsian.train.folder import RunFolder

from .records import RECORDS, ROOT, load, made_here, save

COLUMNS = {"feature_distance": "feature distance", "precision": "precision", "recall": "recall",
           "diversity": "diversity"}  # fmt: skip
HEAD = ("system", "its paper", *COLUMNS.values(), "a density?", "parameters", "updates", "minutes")
BASELINES = ("training data", "class Gaussians", "one Gaussian", "noise")
SOURCES = ("metrics/**/*.py", "tasks/quality.py", "tasks/evalu*.py")


def measure(runs: Path, name: str, n: int, draws: int, folder: Path = RECORDS) -> None:
    """Evaluate the runs in a folder; those in the record stay if n, draws and the code of the measures do."""
    told = load(name, folder)
    if (told.get("n"), told.get("draws"), told.get("code")) != (n, draws, code()):
        told = {"source": "measured", "command": "", "seed": 0, "n": n, "draws": draws, "code": code(),
                "intervals": "95 % over draws", "runs": {}}  # fmt: skip
    told |= made_here()
    for run in sorted(path.parent for path in runs.glob("*/run.json")):
        if run.name not in told["runs"]:
            found, rest = one(run, n, draws)
            told["runs"][run.name] = found
            told["baselines"] = rest
            print(run.name, flush=True)
            save(name, shown(told), folder)


def code() -> str:
    """A sum over the files that make the measures."""
    files = sorted(path for pattern in SOURCES for path in (ROOT / "src" / "gibbsian").glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def one(run: Path, n: int, draws: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is known of a run and what `gibbsian evaluate` says of it; and of the rows beside it."""
    with tempfile.TemporaryDirectory() as out:
        words = ["evaluate", str(run), "-n", str(n), "--draws", str(draws), "--out", out]
        subprocess.run([sys.executable, "-m", "gibbsian", *words], check=True, capture_output=True)
        report = json.loads((Path(out) / "report.json").read_text())
    config, told = RunFolder(run).config(), RunFolder(run).record()
    rows = {row: {k: numbers(v) for k, v in cells.items()} for row, cells in report["measures"].items()}
    found = {
        "system": config["system"],
        "preset": config["preset"],
        "data": config["data"],
        "parameters": sum(p.numel() for p in gb.load(run).parameters()),
        "updates": told["step"],
        "minutes": round(told.get("spent", {}).get(str(told["step"]), [0.0, 0.0])[1] / 60, 2),
        "density": claims(config),
        "published": [vars(p) for p in entry(config["system"]).published()],
        "features": report["features"],
        "weights": report["weights"],
        "measures": rows.pop("model"),
    }
    return found, rows


def numbers(told: dict[str, Any]) -> list[float]:
    """Estimate and the ends of its interval, to nine digits."""
    return [float(f"{v:.9g}") for v in (told["value"], *told["interval"])]


def claims(config: dict[str, Any]) -> bool:
    """Whether the preset of a run claims a density, as `gibbsian list presets` says."""
    from gibbsian.cli.lists import show

    rows = show("presets", config["system"]).data["presets"]
    return any(row["preset"] == config["preset"] and row["density"] for row in rows)


def shown(told: dict[str, Any]) -> dict[str, Any]:
    """The record with its table, the best first, baselines last."""
    runs = sorted(told["runs"].values(), key=lambda run: run["measures"]["feature_distance"][0])
    rest = {k: told["baselines"][k] for k in BASELINES if k in told["baselines"]}
    body = [cells(run) for run in runs]
    body += [[k, "-", *(cell(v.get(c)) for c in COLUMNS), *["-"] * 4] for k, v in rest.items()]
    command = "gibbsian train SYSTEM --data {}, gibbsian evaluate RUN -n {} --draws {}"
    told["command"] = command.format(runs[0]["data"], told["n"], told["draws"])
    return told | {"table": {"head": list(HEAD), "body": body}}


def cells(run: dict[str, Any]) -> list[str]:
    """A row of the table."""
    said = [f"{p['setting']}: {p['measure']} {p['value']}" for p in run["published"]]
    first = next((line for line in said if "FID" in line), said[0] if said else "no figure here")
    scale = [f"{run['parameters']:,}", f"{run['updates']:,}", f"{run['minutes']:.1f}"]
    measures = [cell(run["measures"].get(column)) for column in COLUMNS]
    return [f"`{run['system']}`", first, *measures, "claimed" if run["density"] else "no", *scale]


def cell(found: Sequence[float] | None) -> str:
    """An estimate with its half-width, or with both ends where it is one of them."""
    return tables.cell(Interval(*found) if found else None)
