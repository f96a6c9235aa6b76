"""A run folder: configuration, record of the run, metrics, sample grids, checkpoints.

config.yaml   resolved configuration        samples/*.png
run.json      versions, seed, data, state   checkpoints/step-000500/, checkpoints/best/
metrics.jsonl one object a log line         checkpoints/left-*, which a run that went back left behind
curves.png    losses, energies, gap, chains
files.json    the files of a large folder of images when the run began, so that rows and parts stay the same
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ..core.config import dotted
from ..core.errors import CheckpointError, UsageError
from ..core.files import own_path, write_whole
from ..data.recipe import DataRecipe
from ..report.curves import curves
from ..report.pictures import save_image
from . import checkpoint


class RunFolder:
    """Reads and writes one run folder; every file is replaced whole."""

    def __init__(self, path: Path | str) -> None:
        self.path = own_path(path)
        self.checkpoints, self.samples = self.path / "checkpoints", self.path / "samples"
        self.best = self.checkpoints / "best"
        self.metrics = self.path / "metrics.jsonl"
        self.curves = self.path / "curves.png"
        self.files = self.path / "files.json"
        self.logged = self._drawn = 0
        self._due, self._clock = 0.0, (time.monotonic(), time.process_time())
        self.loggers: list[Callable[[dict[str, Any]], None]] = []

    def create(self, config: dict[str, Any], record: dict[str, Any]) -> None:
        """Make the folder, without an earlier try's log and pictures; write `config.yaml` and `run.json`.

        Raises `UsageError` where files of other origin bear the names of a run's.
        """
        taken = [name for name in ("config.yaml", "run.json", "metrics.jsonl") if (self.path / name).exists()]
        if taken and not self._ours():
            raise UsageError(f"{self.path} holds a {taken[0]} of something else: choose another --out")
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
            for left in (
                self.metrics,
                self.files,
                self.curves,
                self.samples / "landscape.gif",
                *self.samples.glob("step-*.png"),
            ):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(
                f"cannot make run folder {self.path}: {error.strerror}; choose another --out"
            ) from error
        replace_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        self.write_record({**versions(), **record})

    def _ours(self) -> bool:
        try:
            return {"system", "train"} <= self.config().keys()
        except CheckpointError:
            return "gibbsian" in self.record()

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run's configuration."""
        return (self.path / "config.yaml").is_file()

    def config(self) -> dict[str, Any]:
        """The resolved configuration; raises `CheckpointError` where it is missing or damaged."""
        try:
            loaded = yaml.safe_load((self.path / "config.yaml").read_text())
        except OSError as error:
            raise CheckpointError(f"{self.path} is no run folder: it has no readable config.yaml") from error
        except (yaml.YAMLError, ValueError) as error:
            raise CheckpointError(
                f"{self.path}/config.yaml does not parse: {str(error).splitlines()[0]}"
            ) from error
        if not isinstance(loaded, dict):
            raise CheckpointError(f"{self.path}/config.yaml is damaged: it holds no settings")
        return self._listed(loaded)

    def _listed(self, config: dict[str, Any]) -> dict[str, Any]:
        """With this folder's list of the files of the data, and its record of their columns, if any."""
        if not isinstance(config.get("data"), str):
            return config
        recipe = DataRecipe.parse(config["data"])
        if self.files.is_file():
            recipe = replace(recipe, files=str(self.files.absolute()))
        if recipe.places and self.record().get("table"):
            recipe = replace(recipe, table=str((self.path / "run.json").absolute()))
        return {**config, "data": str(recipe)}

    def record(self) -> dict[str, Any]:
        """`run.json`, or nothing where it is missing or unreadable."""
        try:
            loaded = json.loads((self.path / "run.json").read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace `run.json`."""
        replace_text(self.path / "run.json", json.dumps(record, indent=1))

    def update_record(self, **changes: Any) -> None:
        """Change some keys of `run.json`."""
        self.write_record({**self.record(), **changes})

    def change(self, config: dict[str, Any], step: int) -> dict[str, Any]:
        """Replace `config.yaml` where a run goes on with other settings; they are noted in `run.json`."""
        config = self._listed(config)
        old, new = dotted(self.config()), dotted(yaml.safe_load(yaml.safe_dump(config)))
        if old == new:
            return {}
        replace_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        changed = {k: v for k, v in new.items() if old.get(k) != v and k != "train.steps"}
        if changed:
            earlier = self.record().get("changed", [])
            self.update_record(changed=[*earlier, {"step": step, "settings": changed}])
        return changed

    def log(self, line: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`; non-finite numbers become strings, so that JSON stays JSON."""
        safe = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        try:
            with self.metrics.open("a") as handle:
                handle.write(json.dumps(safe) + "\n")
        except OSError as error:
            raise CheckpointError(
                f"cannot write {self.metrics}: {error.strerror}; free some space"
            ) from error
        self.logged += 1
        for logger in self.loggers:
            logger(line)

    def draw(self, *, always: bool = False) -> None:
        """Write `curves.png`; unless `always`, only where that has taken a hundredth of the time since."""
        began = time.monotonic()
        if self._drawn == self.logged or (not always and began < self._due):
            return
        if picture := curves(self.lines(), str(self.path.name)):
            save_image(picture, self.curves)
        self._drawn, self._due = self.logged, began + 100 * (time.monotonic() - began)

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of `metrics.jsonl`."""
        if not self.metrics.exists():
            return []
        out = []
        for text in self.metrics.read_text(errors="replace").splitlines():
            try:
                out.append(json.loads(text))
            except ValueError:
                continue
        return out

    def reopen(self, lines: int) -> None:
        """Go on from a checkpoint that was written after `lines` log lines: later ones will be written anew.

        Folders that a killed process left half written are removed.
        """
        self.samples.mkdir(parents=True, exist_ok=True)
        checkpoint.sweep(self.checkpoints)
        kept = [json.dumps(line) for line in self.lines()[:lines]]
        replace_text(self.metrics, "".join(f"{line}\n" for line in kept))
        self.logged = len(kept)

    def forget_checkpoints_after(self, step: int) -> None:
        """Remove checkpoints beyond `step`, which a rollback has disowned."""
        for path in checkpoint.listed(self.checkpoints):
            if checkpoint.step_of(path) > step:
                shutil.rmtree(path, ignore_errors=True)

    def leave_behind(self, step: int) -> list[Path]:
        """Part from what lies beyond `step`, from where the run goes on: checkpoints are renamed left-*, for
        sampling and resuming take the newest; pictures are removed. Returns the checkpoints' former paths."""
        later = [p for p in checkpoint.listed(self.checkpoints) if checkpoint.step_of(p) > step]
        if self.best.is_dir() and checkpoint.updates(self.best) > step:
            later.append(self.best)
        for path in later:
            aside = path.with_name(f"left-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
        for picture in self.samples.glob("step-*.png"):
            if checkpoint.step_of(picture.with_suffix("")) > step:
                picture.unlink()
        return later

    def save(self, tree: checkpoint.Tree, step: int, keep: int) -> Path:
        """Write the checkpoint of `step` and drop all but the newest `keep`."""
        path = self.checkpoints / f"step-{step:06d}"
        checkpoint.save(tree, path)
        for old in checkpoint.listed(self.checkpoints)[:-keep]:
            if old != path:
                shutil.rmtree(old, ignore_errors=True)
        self._spend(step)
        return path

    def _spend(self, step: int) -> None:
        """Note the seconds that training has taken to `step`, and those of the processor, in `run.json`."""
        now = (time.monotonic(), time.process_time())
        spent = {k: v for k, v in self.record().get("spent", {}).items() if int(k) < step}
        last, then = max(spent.values(), default=[0.0, 0.0]), self._clock
        new = [round(a + b - c, 2) for a, b, c in zip(last, now, then, strict=True)]
        self._clock = now
        self.update_record(spent=spent | {str(step): new})

    def newest(self) -> Path | None:
        """The newest checkpoint, or none."""
        found = checkpoint.listed(self.checkpoints)
        return found[-1] if found else None


def versions() -> dict[str, str]:
    """Versions and machine, for `run.json`."""
    import torch

    from ..version import __version__

    return {
        "gibbsian": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


def replace_text(path: Path, text: str) -> None:
    """Write `text` aside and rename it over `path`; raises `CheckpointError` where that fails."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror}; free some space") from error
