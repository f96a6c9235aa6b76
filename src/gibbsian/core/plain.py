"""Values as JSON can say them. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON can say it: numbers that are not finite, and paths, become strings."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value) or isinstance(value, Path):
        return str(value)
    return value


def json_text(value: Any) -> str:
    """`value` as the text of a JSON file."""
    return json.dumps(plain(value), indent=1, allow_nan=False) + "\n"
