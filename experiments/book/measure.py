"""The record of a folder of runs: each is evaluated by the command line, and what it printed is kept."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from gibbsian.models.papers import entry
from gibbsian.train.folder import RunFolder

COLUMNS = {"feature_distance": "feature distance", "precision": "precision", "recall": "recall",
           "diversity": "diversity"}  # fmt: skip
HEAD = ("system", "its paper", *COLUMNS.values(), "a density?", "updates", "minutes")


def measure(runs: Path, out: Path, n: int, draws: int) -> None:
    """Evaluate the runs in a folder; those that stand in `out` with the same n and draws are left."""
    told = json.loads(out.read_text()) if out.exists() else {}
    if (told.get("n"), told.get("draws")) != (n, draws):
        told = {"source": "measured", "command": "", "n": n, "draws": draws, "seed": 0, "runs": {}}
    told["hardware"] = torch.backends.cpu.get_cpu_capability()
    for run in sorted(path.parent for path in runs.glob("*/run.json")):
        if run.name not in told["runs"]:
            found = one(run, n, draws)
            rows = found["report"]["measures"]
            told["baselines"] = {k: rows.pop(k) for k in (*BASELINES, "held-out data") if k in rows}
            told["runs"][run.name] = found
            print(run.name, flush=True)
            write(out, told)
    write(out, told)


def one(run: Path, n: int, draws: int) -> dict[str, Any]:
    """What is known of a run, and what `gibbsian evaluate` says of it."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["evaluate", str(run), "-n", str(n), "--draws", str(draws), "--out", folder]
        subprocess.run([sys.executable, "-m", "gibbsian", *words], check=True, capture_output=True)
        report = json.loads((Path(folder) / "report.json").read_text())
    folder_of, config = RunFolder(run), RunFolder(run).config()
    record = folder_of.record()
    seconds = record.get("spent", {}).get(str(record["step"]), [0.0, 0.0])
    return {
        "system": config["system"],
        "preset": config["preset"],
        "data": config["data"],
        "updates": record["step"],
        "minutes": seconds[1] / 60,
        "density": any(row["preset"] == config["preset"] and row["density"] for row in presets_of(config)),
        "published": [vars(p) for p in entry(config["system"]).published()],
        "version": record.get("gibbsian", ""),
        "report": {k: v for k, v in report.items() if k not in ("run", "by_class", "neighbours")},
    }


def presets_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of `gibbsian list presets` of a system."""
    from gibbsian.cli.lists import show

    found: list[dict[str, Any]] = show("presets", config["system"]).data["presets"]
    return found


def write(out: Path, told: dict[str, Any]) -> None:
    """The record with its table, the best first, baselines last."""
    runs = sorted(told["runs"].values(), key=lambda run: value(run["report"]["measures"]["model"]))
    body = [cells(run) for run in runs]
    if runs:
        rest = {k: told["baselines"][k] for k in BASELINES}
        body += [[k, "-", *[cell(v.get(c)) for c in COLUMNS], "-", "-", "-"] for k, v in rest.items()]
        told["command"] = "gibbsian train SYSTEM --data DATA, gibbsian evaluate RUN -n {} --draws {}".format(
            told["n"], told["draws"]
        ).replace("DATA", runs[0]["data"])
    told["table"] = {"head": list(HEAD), "body": body}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


BASELINES = ("training data", "class Gaussians", "one Gaussian", "noise")


def cells(run: dict[str, Any]) -> list[str]:
    """A row of the table."""
    measures = run["report"]["measures"]["model"]
    said = [f"{p['setting']}: {p['measure']} {p['value']}" for p in run["published"]]
    first = next((line for line in said if "FID" in line), said[0] if said else "no figure here")
    kept = [cell(measures.get(column)) for column in COLUMNS]
    density = "claimed" if run["density"] else "no"
    return [f"`{run['system']}`", first, *kept, density, f"{run['updates']:,}", f"{run['minutes']:.1f}"]


def value(measures: dict[str, Any]) -> float:
    """The feature distance."""
    return float(measures["feature_distance"]["value"])


def cell(told: dict[str, Any] | None) -> str:
    """An estimate with its half-width."""
    if told is None:
        return "-"
    low, high = told["interval"]
    return f"{told['value']:.3g} ± {(high - low) / 2:.2g}"
