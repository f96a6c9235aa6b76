"""A model folder: config.json, model.safetensors and a model card, without training state.

This is what `gibbsian export` writes, `gibbsian.load` reads and a model hub shows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..core.config import to_dict
from ..core.errors import CheckpointError, UsageError
from ..core.files import write_whole
from ..recipes.catalog import SYSTEMS, entry
from .base import System
from .registry import make, name_of

BUFFERS = "chains."


def save(system: System, path: Path | str, *, data: str = "") -> Path:
    """Write a model folder; replay chains (state under `chains.`) stay behind.

    Raises `UsageError` for a system that is not registered, and when the disk refuses.
    """
    path = Path(path)
    if name_of(system) not in SYSTEMS:
        raise UsageError(
            f"{name_of(system)} is not registered, so no folder could be loaded: save its state_dict()"
        )
    weights = {k: v.detach().cpu().contiguous().clone() for k, v in system.state_dict().items()}
    kept = {k: v for k, v in weights.items() if not k.startswith(BUFFERS)}
    try:
        path.mkdir(parents=True, exist_ok=True)
        aside = path / ".model.safetensors.tmp"
        save_file(kept, aside)
        aside.replace(path / "model.safetensors")
        write_whole(path / "config.json", json.dumps(_config(system, data), indent=1))
        write_whole(path / "README.md", _card(system, data))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"cannot write model folder {path}: {error}") from error
    return path


def load(path: Path) -> System:
    """The system of a model folder, in eval mode.

    Raises `CheckpointError` when files are missing, damaged, or of another architecture.
    """
    config, weights = _read(path)
    try:
        system = make(config["system"], config["config"], tuple(config["event_shape"]))
    except (KeyError, TypeError, UsageError) as error:
        raise CheckpointError(f"{path}/config.json describes no system of this version: {error}") from error
    load_weights(system, weights, str(path))
    return system.eval()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return json.loads((path / "config.json").read_text()), load_file(path / "model.safetensors")
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is no model folder: it lacks config.json or model.safetensors"
        ) from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"model folder {path} is damaged: {error}; export it again") from error


def load_weights(system: System, weights: dict[str, Any], where: str) -> None:
    """Load everything but replay chains; raises `CheckpointError` naming the first mismatch."""
    given = {k: v for k, v in weights.items() if not k.startswith(BUFFERS)}
    require_match({k: v for k, v in system.state_dict().items() if not k.startswith(BUFFERS)}, given, where)
    system.load_state_dict(given, strict=False)


def require_match(own: dict[str, Any], given: dict[str, Any], where: str) -> None:
    """Raise `CheckpointError` unless `given` has the keys and shapes of `own`, naming the first mismatch."""
    for key, tensor in own.items():
        if key not in given:
            raise CheckpointError(f"{where} is of another system or network: it has no '{key}'")
        if given[key].shape != tensor.shape:
            shapes = f"{tuple(given[key].shape)}, not {tuple(tensor.shape)}"
            raise CheckpointError(f"{where} is of another network: '{key}' has shape {shapes}")
    extra = sorted(set(given) - set(own))
    if extra:
        raise CheckpointError(f"{where} is of another system or network: '{extra[0]}' has no place here")


def _config(system: System, data: str) -> dict[str, Any]:
    from ..version import __version__

    return {
        "system": name_of(system),
        "gibbsian_version": __version__,
        "event_shape": list(system.event_shape),
        "temperature": system.temperature,
        "matched": system.matched,
        "data": data,
        "config": to_dict(system.config),
    }


def _card(system: System, data: str) -> str:
    name = name_of(system)
    paper = entry(name).papers()[0]
    matched = (
        "sampled by its training chain" if system.matched else "not sampled exactly by its training chain"
    )
    return f"""---
library_name: gibbsian
tags: [energy-based-model, {name}]
---
# {name} on {data or "unnamed data"}

A deep energy-based model, p(x) ~ exp(-E(x)/T) with T = {system.temperature:.3g} ({matched}).
Method: {paper.authors}, "{paper.title}", {paper.year}, {paper.url}.

```python
import gibbsian as gb
system = gb.load("THIS_FOLDER")
x = gb.sample(system, 16).x          # shape (16, {", ".join(map(str, system.event_shape))})
```
"""
