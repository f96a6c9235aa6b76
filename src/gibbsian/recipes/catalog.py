"""The systems by name, and how a run's configuration is resolved. Torch-free: `--help` and `list` read this.

preset of a paper or ours  ->  a YAML file's sections  ->  dotted overrides  ->  RunConfig

Longer than other files by its list of systems.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.config import dotted, from_dict, override, to_dict
from ..core.errors import UsageError, did_you_mean, unknown
from .presets import PresetFile, Recipes, read
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class Entry:
    """One system: a line of description, its settings module and its class."""

    about: str
    recipes: str
    config: str
    system: str

    def module(self) -> ModuleType:
        """The torch-free module of its settings."""
        return importlib.import_module(f"gibbsian.recipes.{self.recipes}")

    def config_class(self) -> type[Any]:
        """The frozen dataclass of its settings."""
        found: type[Any] = getattr(self.module(), self.config)
        return found

    def path(self) -> Path:
        """Where its file of presets, papers and published figures lies."""
        return Path(__file__).with_name(f"{self.recipes}.yaml")

    def file(self) -> PresetFile:
        """What that file says."""
        return read(self.path())

    def presets(self) -> Mapping[str, Recipe]:
        """Its presets by name."""
        return _recipes(self)

    def papers(self) -> tuple[Paper, ...]:
        """Its papers, its own first."""
        return self.file().papers

    def published(self) -> tuple[Published, ...]:
        """Figures that they printed."""
        return self.file().published


@cache
def _recipes(entry: Entry) -> Mapping[str, Recipe]:
    return Recipes(entry.file(), entry.config_class())


SYSTEMS: dict[str, Entry] = {
    "igebm": Entry(
        "persistent Langevin chains from a replay buffer; conditional; ensembles of past weights",
        "igebm",
        "IGEBMConfig",
        "igebm:IGEBM",
    ),
    "generative_convnet": Entry(
        "energy times a reference; persistent, contrastive-divergence or short-run chains",
        "generative_convnet",
        "GenerativeConvNetConfig",
        "generative_convnet:GenerativeConvNet",
    ),
    "short_run": Entry(
        "the K-step chain from noise is the sampler", "short_run", "ShortRunConfig", "short_run:ShortRun"
    ),
    "jem": Entry(
        "a classifier whose logits are a joint energy: cross-entropy and chains at once; few labels",
        "jem",
        "JEMConfig",
        "jem:JEM",
    ),
    "gebm": Entry(
        "a generator tilted by an energy, sampled in its latents; GAN and f-GAN of the same networks",
        "gebm",
        "GEBMConfig",
        "gebm:GEBM",
    ),
    "vaebm": Entry(
        "a VAE tilted by an energy, chains on its noise; beta-TC and FactorVAE; energies on (x, z)",
        "vaebm",
        "VAEBMConfig",
        "vaebm:VAEBM",
    ),
    "cebm": Entry(
        "latents that integrate out exactly: persistent chains on x, a posterior of z in closed form",
        "cebm",
        "CEBMConfig",
        "cebm:CEBM",
    ),
    "drl": Entry(
        "a ladder of noise levels, each with a conditional that short chains can sample",
        "drl",
        "DRLConfig",
        "drl:DRL",
    ),
    "coopnets": Entry(
        "a generator starts the chains, an energy refines them, and the generator learns what they did",
        "coopnets",
        "CoopNetsConfig",
        "coopnets:CoopNets",
    ),
    "acd": Entry(
        "an energy against a generator with an entropy term (VERA); without the term, the adversarial game",
        "acd",
        "ACDConfig",
        "acd:ACD",
    ),
    "energy_matching": Entry(
        "one potential without time: a flow far from the data, an energy near them",
        "energy_matching",
        "EnergyMatchingConfig",
        "energy_matching:EnergyMatching",
    ),
    "cfebm": Entry(
        "small images first: an energy for each size, faded in, and one chain through all of them",
        "cfebm",
        "CFEBMConfig",
        "cfebm:CFEBM",
    ),
    "score_matching": Entry(
        "no chains in training: denoising on a ladder of noises, sliced, finite-difference or exact",
        "score_matching",
        "ScoreMatchingConfig",
        "score_matching:ScoreMatching",
    ),
    "nce": Entry(
        "an energy and its log Z, told from noise of a known law: Gaussian, uniform or a flow",
        "nce",
        "NCEConfig",
        "nce:NCE",
    ),
    "icd": Entry(
        "contrastive divergence with the sampler's own gradient, an entropy term and augmented chains",
        "icd",
        "ICDConfig",
        "icd:ICD",
    ),
}


BEST: dict[str, tuple[str, str]] = {
    "digits": ("short_run", "digits"),
    "mnist": ("coopnets", "mnist"),
    "fashion_mnist": ("coopnets", "fashion_mnist"),
}
"""System and preset with the best samples within 20 minutes on one core: docs/ladders.md."""


def suggestion(data: str | None) -> str:
    """One line for a person who named no system."""
    name = data or "digits"
    system, preset = BEST.get(name, ("short_run", ""))
    named = f" --preset {preset}" if preset and preset != default_preset(system, name) else ""
    why = "the best of ours there" if name in BEST else "say"
    return f"{why}: gibbsian train {system} --data {name}{named}; all systems: gibbsian list systems"


def entry(system: str) -> Entry:
    """The entry of a system; raises `UsageError` naming the nearest for an unknown one."""
    if system not in SYSTEMS:
        raise unknown("system", system, SYSTEMS)
    return SYSTEMS[system]


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
    presets = entry(system).presets()
    data = data.removesuffix(":labels")
    if data in presets:
        return data
    table = data.startswith("table:") or data.endswith(".csv")
    if not table and not data.startswith("toy:"):
        return "images"
    name = "table" if table and "table" in presets else "toy"
    if name not in presets:
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
    made_for = entry(system).presets()[preset].data if preset and _known(system, preset) else "digits"
    data = data or file.get("data") or made_for
    name = preset or file.get("preset") or default_preset(system, data)
    if not _known(system, name):
        raise unknown(f"preset of {system}", name, entry(system).presets())
    recipe = entry(system).presets()[name]
    base = RunConfig(system, name, data, recipe.model, recipe.train, recipe.monitor)
    sections = {k: v for k, v in file.items() if k not in ("system", "preset", "data")}
    return _changed(base, {**dotted(sections), **(changes or {})})


def from_config(values: Mapping[str, Any]) -> RunConfig:
    """The configuration stored in a run folder's `config.yaml`."""
    rest = dict(values)
    head = {k: rest.pop(k, None) for k in ("system", "preset", "data")}
    if head["system"] is None:
        raise UsageError("the configuration names no system: add a line such as 'system: igebm'")
    train = from_dict(TrainConfig, rest.pop("train", {}), "train.")
    monitor = from_dict(MonitorConfig, rest.pop("monitor", {}), "monitor.")
    model = from_dict(entry(str(head["system"])).config_class(), rest)
    return RunConfig(str(head["system"]), str(head["preset"]), str(head["data"]), model, train, monitor)


def _known(system: str, preset: str | None) -> bool:
    return preset in entry(system).presets()


def _changed(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
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
            raise UsageError(f"unknown key '{name}': {did_you_mean(head, [*own, 'train', 'monitor'])}")
    return replace(config, **{k: override(getattr(config, k), v) for k, v in sections.items() if v})
