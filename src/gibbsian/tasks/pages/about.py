"""What is known of a run or a model without drawing from it: method, settings, time, machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.config import dotted, to_dict
from ...core.errors import CheckpointError, GibbsianError
from ...core.files import own_path
from ...data.recipe import DataRecipe
from ...models import folder as model_folder
from ...models.model import EnergyModel
from ...models.papers import entry
from ...models.sources import Paper
from ...train.folder import RunFolder, versions
from ...train.load import locate
from ...train.recipes import RunConfig, default_preset, presets
from ..parts import title_of

HEAD = ("system", "preset", "data")


@dataclass(frozen=True)
class About:
    """A run, an exported model, or a model in memory.

    Attributes:
        path: the folder, "" for a model in memory.
        config: the settings as nested plain values, `system`, `preset` and `data` among them.
        record: what run.json holds; of an exported model what config.json holds beside settings.
        lines: those of metrics.jsonl, oldest first.
    """

    path: str
    config: Mapping[str, Any]
    record: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[Mapping[str, Any]] = ()

    @property
    def system(self) -> str:
        """The name of its paper here."""
        return str(self.config.get("system", "model"))

    @property
    def data(self) -> str:
        """The data of training, as people are told; "" where nobody says."""
        return data_title(str(self.config.get("data") or ""))

    @property
    def title(self) -> str:
        """The system, and the data that it learnt."""
        return f"{self.system} on {title_of(self.data)}" if self.data else self.system

    @property
    def exported(self) -> bool:
        """Whether there is no record of training: an exported model, or one in memory."""
        return not self.record.get("state")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by their dotted names."""
        return dotted({k: v for k, v in self.config.items() if k not in HEAD})

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Seconds that training took, and those of the processor, to the last checkpoint."""
        try:
            spent = self.record["spent"]
            wall, busy = spent[max(spent, key=int)]
            return float(wall), float(busy)
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def updates(self) -> int | None:
        """Updates made, as the record or else the log says."""
        step = self.record.get("step")
        return step if isinstance(step, int) else int(self.lines[-1].get("step", 0)) if self.lines else None

    @property
    def paper(self) -> Paper | None:
        """The publication that its method is of, where that is known."""
        try:
            return next(iter(entry(self.system).papers()), None)
        except GibbsianError:
            return None

    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The settings that are not those of its preset: what the preset says, what they are."""
        usual = self._preset()
        return {k: (usual.get(k), v) for k, v in self.settings.items() if usual and usual.get(k) != v}

    def _preset(self) -> dict[str, Any]:
        """The preset's settings; of an exported model those of the model in the preset for its data."""
        data = str(self.config.get("data") or "digits")
        try:
            name = str(self.config.get("preset") or default_preset(self.system, data))
            recipe = presets(self.system)[name]
        except (GibbsianError, KeyError):
            return {}
        of_model = to_dict(recipe.model)
        whole = RunConfig(self.system, name, data, recipe.model, recipe.train, recipe.monitor).to_dict()
        return dotted(of_model if self.exported else {k: v for k, v in whole.items() if k not in HEAD})

    def training_command(self) -> str:
        """The words that train the same again; "" where no run says how it was trained."""
        if self.exported:
            return ""
        words = ["gibbsian", "train", self.system, "--data", self.data or "DATA"]
        words += ["--preset", preset] if (preset := str(self.config.get("preset") or "")) else []
        for name, (_, value) in self.changed().items():
            words += [f"--{name}", said(value)]
        made, planned = self.updates, self.settings.get("train.steps")
        if made is not None and isinstance(planned, int) and made < planned:
            words += ["--steps", str(made)]
        return shlex.join(words)


def about_run(path: Path | str) -> About:
    """What a run folder, checkpoint or model folder says; raises `CheckpointError` for anything else."""
    folder = own_path(path)
    if model_folder.is_folder(folder):
        stored, _ = model_folder.read(folder)
        config = stored.get("config")
        inner = config if isinstance(config, dict) else {}
        return About(
            str(path),
            {"system": stored.get("system"), "data": stored.get("data", ""), **inner},
            {"gibbsian": stored.get("gibbsian_version", "")},
        )
    run = RunFolder(folder) if (folder / "config.yaml").is_file() else locate(folder)[1]
    if "system" not in (config := run.config()):
        raise CheckpointError(f"{path} is no run folder: its config.yaml names no system")
    return About(str(path), config, run.record(), run.lines())


def about_model(model: EnergyModel) -> About:
    """What a model in memory says of itself."""
    if model.record is None:
        return About("", {"system": type(model).__name__})
    return About("", {"system": model.record.name, "data": model.record.data, **to_dict(model.record.config)})


def card(about: About, model: EnergyModel | None = None) -> list[tuple[str, str]]:
    """Names and values that say what this is."""
    rows = [("system", about.system)]
    rows += [("preset", str(p))] if (p := about.config.get("preset")) else []
    rows += _of_data(about)
    if model is not None:
        claim = "is to be -log p(x) up to a constant" if model.claims_density else "ranks, and is no density"
        rows += [
            ("energy", f"{sum(p.numel() for p in model.parameters()):,} parameters; E/T {claim}"),
            ("temperature", f"{model.temperature:.3g}"),
        ]
        if model.spec.conditional:
            rows.append(("conditional", f"on {model.spec.num_classes or sum(model.spec.condition)} " + (
                "classes" if model.spec.num_classes else "numbers")))  # fmt: skip
    if not about.exported:
        rows += [("training", _training(about))]
        known = {k: about.record.get(k) for k in ("gibbsian", "torch", "python", "machine", "threads")}
        rows.append(("trained with", ", ".join(f"{k} {v}" for k, v in known.items() if v)))
    elif about.record.get("gibbsian"):
        rows.append(("written by", f"gibbsian {about.record['gibbsian']}, without a record of training"))
    now = versions()
    rows.append(("looked at with", ", ".join(f"{k} {v}" for k, v in now.items())))
    return rows


def _of_data(about: About) -> list[tuple[str, str]]:
    data = about.record.get("data")
    if not isinstance(data, Mapping):
        return [("data", about.data)] if about.data else []
    shape, classes = (list(map(str, data.get(key) or [])) for key in ("event_shape", "classes"))
    told = f"{about.data or 'arrays'}: {data.get('n')} rows of {' x '.join(shape)}"
    named = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
    return [("data", told), *([("classes", f"{len(classes)}: {named}")] if classes else [])]


def _training(about: About) -> str:
    parts = [str(about.record.get("state"))]
    parts += [f"{about.updates:,} updates"] if about.updates is not None else []
    if about.seconds:
        parts.append(f"{duration(about.seconds[0])} ({duration(about.seconds[1])} of the processor)")
    seed = about.settings.get("train.seed")
    return ", ".join([*parts, *([f"seed {seed}"] if seed is not None else [])])


def duration(seconds: float) -> str:
    """Seconds in words: "48 s", "3 min 20 s", "2 h 5 min".

    >>> duration(200)
    '3 min 20 s'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g} s" if whole < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def data_title(data: str) -> str:
    """The line that reads data, without the files of a run that it names; "" for none."""
    try:
        return DataRecipe.parse(data).title if data else ""
    except GibbsianError:
        return data


def said(value: Any) -> str:
    """A setting as one types it: null, true, [32, 64], 0.001."""
    return value if isinstance(value, str) else json.dumps(value)
