"""Records: where they lie, how they are read and written, and cells of theirs that others quote."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import torch

from gibbsian.core.device import cpuinfo

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "records"
MADE = ("cli.md", "benchmarks.md")
"""Pages that are made of code, and of records of their own (`python -m benchmarks`)."""
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name not in MADE)]
CELL = re.compile(r"\{([\w/-]+); ([^;{}]+); ([^;{}]+)\}")
WIDTH = 200


def load(name: str, folder: Path = RECORDS) -> dict[str, Any]:
    """What a record's file says, {} if there is none."""
    path = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def record(name: str, folder: Path = RECORDS) -> dict[str, Any]:
    """A record that has a table: a file of its own, or PAGE/TABLE; {} if there is none."""
    file, _, part = name.partition("/")
    told = load(file, folder)
    found: dict[str, Any] = told.get("tables", {}).get(part, {}) if part else told
    return found if "table" in found else {}


def save(name: str, told: dict[str, Any], folder: Path = RECORDS) -> None:
    """Write a record, a line for whatever fits on one; PAGE/TABLE becomes part of its page's file."""
    file, _, part = name.partition("/")
    if part:
        whole = load(file, folder)
        whole["tables"][part] = told
        told = whole
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{file}.json").write_text(lines(told) + "\n")


def lines(value: Any, indent: int = 0) -> str:
    """JSON with a line for every list and object that fits on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or indent + len(flat) <= WIDTH:
        return flat
    inner = " " * (indent + 1)
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + lines(v, indent + 1) for v in value) + f"\n{' ' * indent}]"
    parts = [f"{inner}{json.dumps(k, ensure_ascii=False)}: {lines(v, indent + 1)}" for k, v in value.items()]
    return "{\n" + ",\n".join(parts) + f"\n{' ' * indent}}}"


def made_here() -> dict[str, Any]:
    """The machine, torch and day of a measurement."""
    processor = cpuinfo("model name") or "processor unknown"
    return {
        "hardware": f"{processor}, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }


def plain(cell: str) -> str:
    """A cell without its emphasis."""
    return cell.replace("*", "").replace("`", "").removeprefix("— ")


def quoted(name: str, row: str, column: str, folder: Path = RECORDS) -> str:
    """One cell of a record's table, of the first row that begins so. Raises KeyError if there is none."""
    told = record(name, folder).get("table", {"head": [], "body": []})
    head = [plain(cell) for cell in told["head"]]
    for cells in told["body"]:
        if plain(cells[0]) == row and column in head:
            return plain(cells[head.index(column)])
    raise KeyError(f"no cell {row}; {column} in the record {name}, whose columns are {', '.join(head)}")


def filled(cell: str, folder: Path = RECORDS) -> str:
    """A cell with those of others that it quotes."""
    return CELL.sub(lambda m: quoted(m[1], m[2], m[3], folder), cell)
