"""Presets as data: what a paper's `presets.yaml` holds, as plain values. Torch-free.

    about: one line                                        what it is
    papers: [{key, authors, year, title, venue, url}, ...]     the paper's own first
    published: [{setting, measure, value}, ...]
    presets: {NAME: {extends, data, note, train, monitor, and the sections of the model}, ...}

A preset states what differs from the defaults, or from the preset of the same file that it `extends`:
sections are merged key by key, except that one with a `name` (of a network) replaces the inherited one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..core.config import from_dict
from ..core.errors import UsageError, unknown
from .sources import Paper, Published

Values = Mapping[str, Any]
SECTIONS = ("about", "papers", "published", "presets")


@dataclass(frozen=True)
class PresetFile:
    """What one file of presets holds; `presets` are plain values as written."""

    name: str
    about: str
    papers: tuple[Paper, ...]
    published: tuple[Published, ...]
    presets: Values

    def inherited(self, name: str, heirs: tuple[str, ...] = ()) -> dict[str, Any]:
        """A preset's own values over those that it extends; raises `UsageError` for circles."""
        if name in heirs:
            raise UsageError(f"extends goes in a circle: {' -> '.join([*heirs, name])}")
        own = dict(mapping("it", self.presets[name]))
        parent = own.pop("extends", None)
        if parent is None:
            return own
        if parent not in self.presets:
            raise unknown("preset in 'extends'", str(parent), self.presets)
        return merged(self.inherited(parent, (*heirs, name)), own)


@cache
def read(path: Path) -> PresetFile:
    """The file of presets at `path`; raises `UsageError` if it does not parse or has an unknown key."""
    import yaml

    try:
        values = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        return from_values(path.name, values)
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def from_values(name: str, values: Values) -> PresetFile:
    """The same from values in memory; `name` is what errors call it."""
    for key in mapping(name, values):
        if key not in SECTIONS:
            raise unknown(f"key in {name}", str(key), SECTIONS)
    return PresetFile(
        name,
        str(values.get("about", "")),
        tuple(from_dict(Paper, p, f"{name}: papers.") for p in values.get("papers", ())),
        tuple(from_dict(Published, p, f"{name}: published.") for p in values.get("published", ())),
        mapping(f"{name}: presets", values.get("presets", {})),
    )


def merged(old: Values, new: Values) -> dict[str, Any]:
    """`new` over `old`, key by key in sections; a section with a `name` replaces the old one."""
    out = dict(old)
    for key, value in new.items():
        inner = isinstance(value, Mapping) and isinstance(old.get(key), Mapping) and "name" not in value
        out[key] = merged(old[key], value) if inner else value
    return out


def mapping(what: str, value: Any) -> Values:
    """`value`, once it is a section; raises `UsageError` saying `what` is none."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} is {value!r}: it must be a section of keys and values")
    return value
