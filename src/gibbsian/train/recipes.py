"""Recipes: presets made into settings, and how the settings of a run are resolved. Torch-free.

preset of a paper or ours  ->  a YAML file's sections  ->  dotted overrides  ->  RunConfig
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from ..core.config import dotted, from_dict, override, step_counted, to_dict
from ..core.errors import UsageError, did_you_mean, unknown
from ..data.recipe import DataRecipe, is_table
from ..models.papers import PaperEntry, entry, stored_entry
from ..models.presets import Values, mapping
from ..nets.families import trusted
from .budget import scaled, told
from .settings import MonitorConfig, TrainConfig

OUTSIDE = ("data", "note", "train", "monitor")
"""Keys of a preset beside the sections of its model."""


@dataclass(frozen=True)
class Recipe:
    """Everything that one training needs beside the data: `model` is the paper's own settings."""

    model: Any
    train: TrainConfig = field(default_factory=TrainConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    data: str = "digits"
    """Data set it was made for."""
    note: str = ""
    """Where the constants come from, and what differs from the source."""


class Recipes(Mapping[str, Recipe]):
    """The presets of a paper, each made over the defaults of its settings when it is asked for."""

    def __init__(self, paper: PaperEntry) -> None:
        self._file, self._config = paper.file(), paper.config_class()
        self._made: dict[str, Recipe] = {}

    def __getitem__(self, name: str) -> Recipe:
        if name not in self._file.presets:
            raise KeyError(name)
        if name not in self._made:
            try:
                self._made[name] = recipe(self._file.inherited(name), self._config)
            except UsageError as error:
                raise UsageError(f"{self._file.name}, preset '{name}': {error}") from error
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.presets)

    def __len__(self) -> int:
        return len(self._file.presets)


def presets(paper: str) -> Mapping[str, Recipe]:
    """The presets of a paper by name; raises `UsageError` for an unknown paper."""
    return _presets(entry(paper))


@cache
def _presets(paper: PaperEntry) -> Mapping[str, Recipe]:
    return Recipes(paper)


def recipe(values: Values, config: type[Any]) -> Recipe:
    """One preset's values over the defaults; raises `UsageError` for unknown keys and bad values."""
    known = [*OUTSIDE, *(f.name for f in fields(config))]
    for key in values:
        if key not in known:
            raise UsageError(f"unknown key '{key}': {did_you_mean(key, known)}")
    data, note = str(values.get("data", "digits")), str(values.get("note", ""))
    train = override(TrainConfig(), dotted(mapping("train", values.get("train", {}))))
    monitor = override(MonitorConfig(), dotted(mapping("monitor", values.get("monitor", {}))))
    model = {k: v for k, v in values.items() if k not in OUTSIDE}
    return Recipe(override(config(), dotted(model)), train, monitor, data, note)


BEST: dict[str, tuple[str, str]] = {
    "digits": ("short_run", "digits"),
    "mnist": ("jem", "mnist"),
    "fashion_mnist": ("coopnets", "fashion_mnist"),
}
"""System and preset with the best samples within minutes on one core: docs/results.md."""


def suggestion(data: str | None) -> str:
    """One line for a person who named no system."""
    name = data or "digits"
    system, preset = BEST.get(name, ("short_run", ""))
    named = f" --preset {preset}" if preset and preset != default_preset(system, name) else ""
    why = "the best samples of ours there" if name in BEST else "say"
    density = f"; for a density: gibbsian train noise_energy --data {name}"
    return f"{why}: gibbsian train {system} --data {name}{named}{density}; all systems: gibbsian list systems"


@dataclass(frozen=True)
class RunConfig:
    """A resolved configuration: enough, with the data, to repeat a run."""

    system: str
    preset: str
    data: str
    model: Any
    train: TrainConfig
    monitor: MonitorConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain nested values with the model's sections at the top level, as in `config.yaml`."""
        head = {"system": self.system, "preset": self.preset, "data": self.data}
        return {**head, **to_dict(self.model), "train": to_dict(self.train), "monitor": to_dict(self.monitor)}


def default_preset(system: str, data: str) -> str:
    """The preset made for a data set: of its own name, else `images`; for points `toy`, or for tables
    `table` where the system has one.

    Raises `UsageError` for points or tables where the system has neither.
    """
    known = presets(system)
    data = DataRecipe.parse(data).name.removesuffix(":labels")
    if data in known:
        return data
    table = data.startswith("table:") or is_table(data)
    if not table and not data.startswith("toy:"):
        return "images" if "images" in known or "default" not in known else "default"
    name = "table" if table and "table" in known else "toy"
    if name not in known and "default" in known:
        return "default"
    if name not in known:
        raise UsageError(
            f"{system} has no preset for points such as '{data}', since it needs images: choose other data "
            "(digits, mnist, ...), or another system"
        )
    return name


def resolve(
    system: str,
    *,
    preset: str | None = None,
    data: str | None = None,
    file: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> RunConfig:
    """The configuration of a run: preset, then the sections of a `file`, then dotted `changes`.

    Raises `UsageError` for unknown systems, presets and keys, naming the nearest, and for bad values.
    """
    file = dict(file or {})
    for key in ("system", "preset", "data"):
        if not isinstance(file.get(key, ""), str):
            raise UsageError(f"{key} in the configuration file is {file[key]!r}: it must be a name")
    if file.get("system", system) != system:
        raise UsageError(f"the configuration file is for system '{file['system']}', not '{system}'")
    made_for = presets(system)[preset].data if preset and _known(system, preset) else "digits"
    data = data or file.get("data") or made_for
    name = preset or file.get("preset") or default_preset(system, data)
    if not _known(system, name):
        raise unknown(f"preset of {system}", name, presets(system))
    recipe = presets(system)[name]
    base = RunConfig(system, name, data, recipe.model, recipe.train, recipe.monitor)
    sections = {k: v for k, v in file.items() if k not in ("system", "preset", "data")}
    config = changed(base, {**dotted(sections), **(changes or {})})
    trusted(config.model, allow=not file or "net.name" in (changes or {}))
    return config


def from_config(values: Mapping[str, Any], trust: bool = False) -> RunConfig:
    """The configuration stored in a run folder's `config.yaml`.

    Raises `UsageError` for settings that do not parse, and for a paper that is not known here unless `trust`.
    """
    rest = dict(values)
    head = {k: rest.pop(k, None) for k in ("system", "preset", "data")}
    if head["system"] is None:
        raise UsageError("the configuration names no system: add a line such as 'system: igebm'")
    train = from_dict(TrainConfig, rest.pop("train", {}), "train.")
    monitor = from_dict(MonitorConfig, rest.pop("monitor", {}), "monitor.")
    model = from_dict(stored_entry(str(head["system"]), trust).config_class(), rest)
    return RunConfig(str(head["system"]), str(head["preset"]), str(head["data"]), model, train, monitor)


def _known(system: str, preset: str | None) -> bool:
    return preset in presets(system)


def changed(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """`config` with dotted `changes`; raises `UsageError` for an unknown key, naming the nearest."""
    sections: dict[str, dict[str, Any]] = {"train": {}, "monitor": {}, "model": {}}
    own = [f.name for f in fields(config.model)]
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        if head in ("train", "monitor"):
            if not rest:
                raise UsageError(f"{head} is {value!r}: it must be a section of keys and values")
            sections[head][rest] = value
        elif head in own:
            sections["model"][name] = value
        else:
            inside = [key for key in dotted(config.to_dict()) if key.endswith(f".{name}")]
            known = did_you_mean(head, [*own, "train", "monitor"])
            hint = f"did you mean {' or '.join(inside)}?" if inside else known
            raise UsageError(f"unknown key '{name}': {hint}")
    return replace(config, **{k: override(getattr(config, k), v) for k, v in sections.items() if v})


def shaped(config: RunConfig, changes: Collection[str]) -> tuple[RunConfig, list[str]]:
    """`config` with what counts updates, and is not in `changes`, scaled where other than the preset's
    updates were asked for; and that in words."""
    own = presets(config.system)[config.preset].train.steps
    if "train.steps" not in changes or config.train.steps in (0, own):
        return config, []
    counted, factor = counts(config, changes), config.train.steps / own
    said = told(counted, factor)
    note = f"{config.train.steps} updates are {factor:.2g} of the recipe's {own}{said}"
    return changed(config, scaled(counted, factor)), [note] if said else []


def counts(config: RunConfig, given: Collection[str] = ()) -> dict[str, Any]:
    """The settings of model and training that count updates, without those that were `given`."""
    both = {**step_counted(config.model), **step_counted(config.train, "train.")}
    return {name: value for name, value in both.items() if name not in given}


def unlike_preset(config: RunConfig) -> set[str]:
    """The settings that count updates and do not stand as the preset says, for as many updates as are asked
    for: somebody chose them."""
    if not config.preset or config.preset not in presets(config.system):
        return set()
    recipe = presets(config.system)[config.preset]
    plain = replace(config, model=recipe.model, train=recipe.train)
    usual = scaled(counts(plain), config.train.steps / max(recipe.train.steps, 1))
    return {name for name, value in counts(config).items() if usual.get(name) != value}
