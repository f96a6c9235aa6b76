"""A run folder: configuration, record of the run, metrics, sample grids, checkpoints.

    config.yaml   resolved configuration        samples/*.png
    run.json      versions, seed, data, state   checkpoints/step-000500/, checkpoints/best/
    metrics.jsonl one object a log line
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import CheckpointError, UsageError
from . import checkpoint


class RunFolder:
    """Reads and writes one run folder; every file is replaced whole."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.metrics = self.path / "metrics.jsonl"

    def create(self, config: dict[str, Any], record: dict[str, Any]) -> None:
        """Make the folder and write `config.yaml` and `run.json`."""
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make run folder {self.path}: {error.strerror}; choose another --out") from error
        replace_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        self.write_record({**versions(), **record})

    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        try:
            loaded = yaml.safe_load((self.path / "config.yaml").read_text())
        except FileNotFoundError as error:
            raise CheckpointError(f"{self.path} is no run folder: it has no config.yaml") from error
        except yaml.YAMLError as error:
            raise CheckpointError(f"{self.path}/config.yaml does not parse: {str(error).splitlines()[0]}") from error
        return dict(loaded)

    def record(self) -> dict[str, Any]:
        """`run.json`, or nothing where it is missing or unreadable."""
        try:
            return dict(json.loads((self.path / "run.json").read_text()))
        except (OSError, ValueError):
            return {}

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace `run.json`."""
        replace_text(self.path / "run.json", json.dumps(record, indent=1))

    def update_record(self, **changes: Any) -> None:
        """Change some keys of `run.json`."""
        self.write_record({**self.record(), **changes})

    def log(self, line: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`; non-finite numbers become strings, so that JSON stays JSON."""
        safe = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        with self.metrics.open("a") as handle:
            handle.write(json.dumps(safe) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of `metrics.jsonl`."""
        if not self.metrics.exists():
            return []
        out = []
        for text in self.metrics.read_text().splitlines():
            try:
                out.append(json.loads(text))
            except ValueError:
                continue
        return out

    def forget_after(self, step: int) -> None:
        """Drop log lines beyond `step`, before a resumed run writes them anew."""
        kept = [json.dumps(line) for line in self.lines() if line.get("step", 0) <= step]
        replace_text(self.metrics, "".join(f"{line}\n" for line in kept))

    def save(self, tree: checkpoint.Tree, step: int, keep: int) -> Path:
        """Write the checkpoint of `step` and drop all but the newest `keep`."""
        path = self.checkpoints / f"step-{step:06d}"
        checkpoint.save(tree, path)
        for old in checkpoint.listed(self.checkpoints)[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
        return path

    def newest(self) -> Path | None:
        """The newest checkpoint, or none."""
        found = checkpoint.listed(self.checkpoints)
        return found[-1] if found else None


def versions() -> dict[str, str]:
    """Versions and machine, for `run.json`."""
    import torch

    from .. import __version__

    return {
        "gibbsian": __version__, "torch": torch.__version__, "python": platform.python_version(),
        "machine": platform.machine(), "threads": str(torch.get_num_threads()),
    }


def replace_text(path: Path, text: str) -> None:
    """Write `text` aside and rename it over `path`."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write {path}: {error.strerror}; free some space") from error
