"""Records of what a command prints, or of the report that `gibbsian evaluate` wrote."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .figures import TABLE
from .measure import cell
from .records import RECORDS, made_here, save
from .transcribe import SPLIT


def run(name: str, command: Sequence[str], said: str = "", folder: Path = RECORDS) -> None:
    """Run a command and record the first Markdown table that it prints; `said`: what to do before it."""
    words = [sys.executable if word == "python" else word for word in command]
    printed = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    tables = TABLE.findall(printed if printed.endswith("\n") else printed + "\n")
    if not tables:
        raise SystemExit(f"{shlex.join(command)} printed no Markdown table, which begins each line with |")
    head, _, *body = ([c.strip() for c in SPLIT.split(row)[1:-1]] for row in tables[0].splitlines())
    told = "; ".join([*([said] if said else []), shlex.join(command)])
    save(name, measured(told) | {"table": {"head": head, "body": body}}, folder)


def report(name: str, file: Path, command: str, columns: Sequence[str] = (), folder: Path = RECORDS) -> None:
    """Record the report.json of one evaluation that `command` wrote: a row for the model, one for each rival.

    `columns`: the measures to show, all of them if none are named.
    """
    told = json.loads(file.read_text())
    rows = told["measures"]
    columns = columns or list(rows["model"])
    body = [[f"**{row}**" if row == "model" else row,
             *(cell([found[c]["value"], *found[c]["interval"]]) if c in found else "-" for c in columns)]
            for row, found in rows.items()]  # fmt: skip
    kept = {k: told[k] for k in ("seed", "n", "draws", "features", "weights")}
    intervals = {"intervals": f"95 % {told['intervals']}"} if "intervals" in told else {}
    head = ["", *(column.replace("_", " ") for column in columns)]
    save(name, measured(command) | kept | intervals | {"table": {"head": head, "body": body}}, folder)


def measured(command: str) -> dict[str, Any]:
    """The beginning of a measured record."""
    return {"source": "measured", "command": command, **made_here()}
