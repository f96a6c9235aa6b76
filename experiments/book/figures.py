"""Figures in the prose and the tables of pages: every one stands in a record of its page.

A figure is a number with a decimal point, before a per cent sign or behind a plus-minus sign, outside of
code. Whole numbers are counts and settings and are left alone. Those between the marks of a record belong to
it; all others stand, section by section, in docs/records/pages.json, with the commands of their section.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .blocks import BLOCK, RECORDS, ROOT

WHOLE = r"\d+(?:,\d{3})*"
FIGURE = re.compile(rf"[-−]?(?:{WHOLE})?\.\d+(?:e-?\d+)?|[-−]?{WHOLE}(?= ?%)|(?<=± ){WHOLE}")
CODE = re.compile(r"^```.*?^```$\n?", re.DOTALL | re.MULTILINE)
LINKS = re.compile(r"\]\([^)]*\)|https?://\S+|`[^`\n]*`")
COMMAND = re.compile(r"^(?:gibbsian|python -m|make) .*$", re.MULTILINE)
TAKEN = RECORDS / "pages.json"


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Headings, numbered where they come again, and what stands below each."""
    seen: Counter[str] = Counter()
    outside = CODE.sub(lambda m: re.sub(r"^#", " #", m[0], flags=re.MULTILINE), text)
    for part in re.split(r"^(?=#)", outside, flags=re.MULTILINE):
        name = part.splitlines()[0].strip("# ") if part.startswith("#") else ""
        seen[name] += 1
        yield (f"{name} ({seen[name]})" if seen[name] > 1 else name), part


def figures(text: str) -> list[str]:
    """The figures of a text, in order, without those of records and of code."""
    plain = LINKS.sub(" ", CODE.sub("", BLOCK.sub("", text)))
    return [token.replace("−", "-") for token in FIGURE.findall(plain)]


def transcribe(pages: Iterable[Path]) -> None:
    """Write what the pages say into docs/records/pages.json."""
    told: dict[str, Any] = {"source": "transcribed", "pages": {}}
    if TAKEN.exists():
        told = json.loads(TAKEN.read_text())
    for page in pages:
        told["pages"][str(page.relative_to(ROOT))] = {
            name: {"commands": COMMAND.findall(text), "figures": " ".join(found)}
            for name, text in sections(page.read_text())
            if (found := figures(text))
        }
    TAKEN.parent.mkdir(exist_ok=True)
    TAKEN.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def strange(page: Path, name: str = "") -> list[str]:
    """Figures of a page that no record of it holds; `name`: the page it stands for, if it is a copy."""
    known = json.loads(TAKEN.read_text())["pages"].get(name or str(page.relative_to(ROOT)), {})
    wrong = []
    for heading, text in sections(page.read_text()):
        has = Counter(known.get(heading, {}).get("figures", "").split())
        missing = Counter(figures(text)) - has
        wrong += [f"{heading or 'the beginning'}: {token} stands in no record" for token in missing]
    return wrong
