"""What records say in the pages: tables between marks, cells quoted in sentences, the list of all records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gibbsian.report.tables import table

from .records import RECORDS, filled, load, quoted, record

BLOCK = re.compile(r"(<!-- record: ([\w/-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
LIST = re.compile(r"(<!-- records -->\n)(.*?)(<!-- end -->)", re.DOTALL)
QUOTE = re.compile(r"([-−+]?[\d.,]*\d(?: ± [.\d]+)?)(<!-- ([\w/-]+); ([^;>]+); ([^;>]+) -->)")


def block(told: Mapping[str, Any], folder: Path = RECORDS) -> str:
    """The table of a record, and a line on how it was measured; nothing if there is no record."""
    if not told:
        return ""
    body = [[filled(cell, folder) for cell in row] for row in told["table"]["body"]]
    lines = table(told["table"]["head"], body, markdown=True)
    return f"{lines}\n\n({how(told)})\n" if told["source"] == "measured" else f"{lines}\n"


def how(told: Mapping[str, Any]) -> str:
    """Command, seed, n, intervals, machine and day of a measurement; what is not known is left out."""
    parts = [f"`{told['command']}`" if told.get("command") else told["source"]]
    parts += [f"seed {told['seed']}"] if "seed" in told else []
    parts += [f"n = {told['n']:,}"] if "n" in told else []
    parts += [f"{told['draws']} draws"] if "draws" in told else []
    parts += [told["intervals"]] if "intervals" in told else []
    parts += [told["hardware"]] if "hardware" in told else []
    parts += [f"{told['threads']} thread{'s' * (told['threads'] > 1)}"] if "threads" in told else []
    parts += [f"torch {told['torch']}"] if "torch" in told else []
    parts += [told["date"]] if "date" in told else []
    return "; ".join(parts)


def index(folder: Path = RECORDS) -> str:
    """A table of all records."""
    body = []
    for path in sorted(folder.glob("*.json")):
        told = load(path.stem, folder)
        parts = told.get("tables", {})
        measured = sum(part.get("source") == "measured" for part in parts.values())
        count = f"{len(parts)} table{'s' * (len(parts) > 1)}, " if parts else ""
        what = f"{count}sentences" if "prose" in told else "one table"
        what += f"; {measured} measured since" if measured else ""
        command = f"`{told['command']}`" if told.get("command") else "beside each table, in the record"
        by = command if told["source"] != "quoted" else "cells of the others, and of the papers"
        body.append([f"`{path.stem}`", told["source"], what, by, told.get("date", told.get("taken", "-"))])
    return table(["record", "source", "holds", "by", "date"], body, markdown=True) + "\n"


def built(text: str, folder: Path = RECORDS) -> str:
    """The page as its records say."""
    text = BLOCK.sub(lambda m: m[1] + block(record(m[2], folder), folder) + m[4], text)
    text = LIST.sub(lambda m: m[1] + index(folder) + m[3], text)
    return QUOTE.sub(lambda m: cited(m[1], quoted(m[3], m[4], m[5], folder)) + m[2], text)


def cited(written: str, cell: str) -> str:
    """A cell in a sentence: with its interval only if one is written there."""
    return cell if "±" in written else re.split(r" [±\[(]", cell)[0]


def stale(page: Path, folder: Path = RECORDS) -> list[str]:
    """The parts of a page that are not what their records say."""
    text = page.read_text()
    blocks = [(name, found, record(name, folder)) for _, name, found, _ in BLOCK.findall(text)]
    wrong = [f"there is no record {name}" for name, _, told in blocks if not told]
    wrong += [f"the table {name} is not that of its record" for name, found, told in blocks
              if told and found != block(told, folder)]  # fmt: skip
    wrong += ["the list of records is old" for _, found, _ in LIST.findall(text) if found != index(folder)]
    quotes = QUOTE.findall(BLOCK.sub("", text))
    return wrong + [f"{written} is not {row}; {column} of {name}" for written, _, name, row, column in quotes
                    if written != cited(written, quoted(name, row, column, folder))]  # fmt: skip
