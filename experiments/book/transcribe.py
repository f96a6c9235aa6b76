"""Taking over what stands in a page and has no record: tables of figures, and the figures of sentences."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from .blocks import block
from .figures import figures, sections, tables
from .records import RECORDS, ROOT, load, save

COMMAND = re.compile(r"(?:^ *|`)((?:gibbsian|python -m|make|pytest) [^`\n]+)", re.MULTILINE)
SPLIT = re.compile(r"(?<!\\)\|")


def transcribe(page: Path, again: Collection[str] = (), folder: Path = RECORDS) -> list[str]:
    """Tables become records of the page, between marks; figures of sections are taken over.

    Sections whose figures were taken over before keep those, unless they are in `again`: returns a line for
    each that differs.
    """
    told: dict[str, Any] = {"source": "transcribed", "page": str(page.relative_to(ROOT)), "taken": today()}
    told |= {"tables": {}} | load(page.stem, folder)
    text, prose, refused = page.read_text(), dict[str, Any](), list[str]()
    for heading, part in sections(text):
        for found in tables(part):
            name = free(slug(heading or page.stem), told["tables"])
            told["tables"][name] = taken(found, heading, part)
            new = f"<!-- record: {page.stem}/{name} -->\n{block(told['tables'][name])}<!-- end -->\n"
            text, part = text.replace(found, new, 1), part.replace(found, new, 1)
        before, now = told.get("prose", {}).get(heading), sentence(part)
        if before and now["figures"] != before["figures"] and heading not in again:
            refused, now = [*refused, f"--again '{heading}' takes over: {now['figures']}"], before
        prose |= {heading: now} if now["figures"] else {}
    page.write_text(text)
    save(page.stem, told | {"prose": prose}, folder)
    return refused


def today() -> str:
    """The day."""
    return datetime.date.today().isoformat()


def taken(found: str, heading: str, part: str) -> dict[str, Any]:
    """The record of one table."""
    head, _, *body = ([cell.strip() for cell in SPLIT.split(row)[1:-1]] for row in found.splitlines())
    return {
        "source": "transcribed",
        "section": heading,
        "commands": COMMAND.findall(part),
        "table": {"head": head, "body": body},
    }


def sentence(part: str) -> dict[str, Any]:
    """The record of the sentences of a section."""
    return {"commands": COMMAND.findall(part), "figures": " ".join(figures(part))}


def slug(heading: str) -> str:
    """A heading as a name, of five words at most."""
    return "-".join(re.findall(r"[a-z0-9]+", heading.lower())[:5])


def free(name: str, known: Collection[str]) -> str:
    """The name, or the first of its numbered ones that is not taken."""
    names = [name, *(f"{name}-{k}" for k in range(2, len(known) + 3))]
    return next(n for n in names if n not in known)
