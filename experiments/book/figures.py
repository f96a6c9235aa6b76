"""Figures of pages, and which of them stand in no record.

A figure is a number with a decimal point, before a per cent sign, behind a plus-minus sign, or before a unit
(s, ms, seconds, minutes, hours, nats, bits, MiB, GiB). Other whole numbers are counts and settings, and are
left alone, as are code, addresses, and versions of three parts. Figures of a table belong between the marks
of a record. Figures in sentences are quoted from one, or stand in the record of their page and section.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .blocks import BLOCK, LIST, QUOTE
from .records import RECORDS, load

WHOLE = r"\d+(?:,\d{3})*"
UNITS = r"(?:m?s|seconds|minutes?|hours?|nats|bits|[MG]iB)\b"
FIGURE = re.compile(
    rf"[-−]?(?<![\d.])(?:{WHOLE})?\.\d+(?:e-?\d+)?(?!\.?\d)|[-−]?{WHOLE}(?= ?%| {UNITS})|(?<=± ){WHOLE}"
)
CODE = re.compile(r"^```.*?^```$\n?", re.DOTALL | re.MULTILINE)
LINKS = re.compile(r"\]\([^)]*\)|https?://\S+|`[^`\n]*`|\b\d+(?:\.\d+){2,}")
TABLE = re.compile(r"(?:^ *\|.*\n)+", re.MULTILINE)


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Headings, numbered where they come again, and what stands below each."""
    seen: Counter[str] = Counter()
    outside = CODE.sub(lambda m: re.sub(r"^#", " #", m[0], flags=re.MULTILINE), text)
    for part in re.split(r"^(?=#)", outside, flags=re.MULTILINE):
        name = part.splitlines()[0].strip("# ") if part.startswith("#") else ""
        seen[name] += 1
        yield (f"{name} ({seen[name]})" if seen[name] > 1 else name), part


def outside(text: str) -> str:
    """A text with blanks for what belongs to records, and for code and addresses."""
    for pattern in (BLOCK, LIST, CODE, QUOTE, LINKS):
        text = pattern.sub(lambda m: " " * len(m[0]), text)
    return text


def figures(text: str) -> list[str]:
    """The figures of a text that does not belong to records, in order."""
    return [token.replace("−", "-") for token in FIGURE.findall(outside(text))]


def tables(text: str) -> list[str]:
    """Tables with a figure that do not belong to records."""
    bare = CODE.sub("", LIST.sub("", BLOCK.sub("", text)))
    return [found for found in TABLE.findall(bare) if any(map(figures, found.splitlines()[2:]))]


def strange(page: Path, folder: Path = RECORDS) -> list[str]:
    """Figures of a page that no record holds."""
    known = load(page.stem, folder).get("prose", {})
    wrong = []
    for heading, text in sections(page.read_text()):
        where = heading or "the beginning"
        wrong += [f"{where}: a table of figures stands outside of records: {t.splitlines()[0]}"
                  for t in tables(text)]  # fmt: skip
        has = Counter(known.get(heading, {}).get("figures", "").split())
        wrong += [f"{where}: {token} stands in no record" for token in Counter(figures(text)) - has]
    return wrong
