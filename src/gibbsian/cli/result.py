"""What a command hands back: a plain dictionary for `--json`, a text for people, an exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.plain import plain


@dataclass(frozen=True)
class Result:
    """`data` is printed with `--json`, `text` without; `code` is the exit code."""

    data: dict[str, Any]
    text: str
    code: int = 0

    def shown(self, as_json: bool) -> str:
        """The one thing that goes to stdout."""
        return json.dumps(plain(self.data), allow_nan=False) if as_json else self.text


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines with aligned columns, two blanks apart; the last column is free."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )
