"""Presets as data: `<system>.yaml` beside this file, to recipes. Torch-free.

    papers: [{key, authors, year, title, venue, url}, ...]     the system's own first
    published: [{setting, measure, value}, ...]
    presets: {NAME: {extends, data, note, train, monitor, and the sections of the model}, ...}

A preset states what differs from the defaults, or from the preset of the same file that it `extends`:
sections are merged key by key, except that one with a `name` (of a network) replaces the inherited one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from ..core.config import dotted, from_dict, override
from ..core.errors import UsageError, did_you_mean, unknown
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig

Values = Mapping[str, Any]
SECTIONS = ("papers", "published", "presets")
OUTSIDE = ("data", "note", "train", "monitor")
"""Keys of a preset beside the sections of its model."""


@dataclass(frozen=True)
class PresetFile:
    """What one file of presets holds; `presets` are plain values as written."""

    name: str
    papers: tuple[Paper, ...]
    published: tuple[Published, ...]
    presets: Values

    def recipe(self, name: str, config: type[Any]) -> Recipe:
        """A preset over the defaults of the settings class `config`; raises `UsageError` for bad keys."""
        try:
            return recipe(self.inherited(name), config)
        except UsageError as error:
            raise UsageError(f"{self.name}, preset '{name}': {error}") from error

    def inherited(self, name: str, heirs: tuple[str, ...] = ()) -> dict[str, Any]:
        """A preset's own values over those that it extends; raises `UsageError` for circles."""
        if name in heirs:
            raise UsageError(f"extends goes in a circle: {' -> '.join([*heirs, name])}")
        own = dict(_mapping("it", self.presets[name]))
        parent = own.pop("extends", None)
        if parent is None:
            return own
        if parent not in self.presets:
            raise unknown("preset in 'extends'", str(parent), self.presets)
        return merged(self.inherited(parent, (*heirs, name)), own)


class Recipes(Mapping[str, Recipe]):
    """The presets of a file, each made over the defaults of the class `config` when it is asked for."""

    def __init__(self, file: PresetFile, config: type[Any]) -> None:
        self._file, self._config = file, config
        self._made: dict[str, Recipe] = {}

    def __getitem__(self, name: str) -> Recipe:
        if name not in self._file.presets:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._file.recipe(name, self._config)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.presets)

    def __len__(self) -> int:
        return len(self._file.presets)


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
    for key in _mapping(name, values):
        if key not in SECTIONS:
            raise unknown(f"key in {name}", str(key), SECTIONS)
    return PresetFile(
        name,
        tuple(from_dict(Paper, p, f"{name}: papers.") for p in values.get("papers", ())),
        tuple(from_dict(Published, p, f"{name}: published.") for p in values.get("published", ())),
        _mapping(f"{name}: presets", values.get("presets", {})),
    )


def recipe(values: Values, config: type[Any]) -> Recipe:
    """One preset's values over the defaults; raises `UsageError` for unknown keys and bad values."""
    known = [*OUTSIDE, *(f.name for f in fields(config))]
    for key in values:
        if key not in known:
            raise UsageError(f"unknown key '{key}': {did_you_mean(key, known)}")
    data, note = str(values.get("data", "digits")), str(values.get("note", ""))
    train = override(TrainConfig(), dotted(_mapping("train", values.get("train", {}))))
    monitor = override(MonitorConfig(), dotted(_mapping("monitor", values.get("monitor", {}))))
    model = {k: v for k, v in values.items() if k not in OUTSIDE}
    return Recipe(override(config(), dotted(model)), train, monitor, data, note)


def merged(old: Values, new: Values) -> dict[str, Any]:
    """`new` over `old`, key by key in sections; a section with a `name` replaces the old one."""
    out = dict(old)
    for key, value in new.items():
        inner = isinstance(value, Mapping) and isinstance(old.get(key), Mapping) and "name" not in value
        out[key] = merged(old[key], value) if inner else value
    return out


def _mapping(what: str, value: Any) -> Values:
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} is {value!r}: it must be a section of keys and values")
    return value
