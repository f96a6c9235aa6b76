"""Tables of the pages, between the lines that name their records."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gibbsian.report.tables import table

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "records"
MADE = ("cli.md", "benchmarks.md", "architecture.md")
"""Pages that are made of code and of records of their own, or hold no measurements."""
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name not in MADE)]
BLOCK = re.compile(r"(<!-- record: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def record(name: str, folder: Path = RECORDS) -> dict[str, Any]:
    """What docs/records/NAME.json says."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def block(told: dict[str, Any]) -> str:
    """The table of a record, and a line on how it was measured."""
    seed = f"; seed {told['seed']}" if "seed" in told else ""
    n = f", n = {told['n']:,}" if "n" in told else ""
    draws = f", {told['draws']} draws" if "draws" in told else ""
    command = f"`{told['command']}`" if told.get("command") else told["source"]
    hardware = f"; {told['hardware']}" if told.get("hardware") else ""
    lines = table(told["table"]["head"], told["table"]["body"], markdown=True)
    return f"{lines}\n\n({command}{seed}{n}{draws}{hardware})\n"


def built(text: str, folder: Path = RECORDS) -> str:
    """The page with every block as its record says."""
    return BLOCK.sub(lambda m: m[1] + block(record(m[2], folder)) + m[4], text)


def stale(page: Path, folder: Path = RECORDS) -> list[str]:
    """The blocks of a page that are not what their records say."""
    found = BLOCK.findall(page.read_text())
    return [f"the table {name} is not that of its record" for _, name, text, _ in found
            if text != block(record(name, folder))]  # fmt: skip
