"""A model folder: config.json, model.safetensors and a model card, without training state.

This is what `gibbsian export` writes, `gibbsian.load` reads and a model hub shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..core.errors import CheckpointError, UsageError
from ..core.files import as_other_files, own_path, write_whole
from ..version import __version__
from .sources import Paper

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def is_folder(path: Path) -> bool:
    """Whether a model folder is at `path`."""
    return (path / WEIGHTS).is_file() and (path / CONFIG).is_file()


def write(
    path: Path | str, weights: Mapping[str, Tensor], about: dict[str, Any], paper: Paper | None
) -> Path:
    """Write a model folder, each file whole.

    Args:
        path: the folder, made where it is not there yet.
        weights: tensors by name.
        about: what config.json says, as plain values; the version of the library is added.
        paper: the publication that its card names.

    Raises `UsageError` when the disk refuses, and for a folder that holds other files of these names.
    """
    path = own_path(path)
    _require_free(path)
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in weights.items()}
    try:
        path.mkdir(parents=True, exist_ok=True)
        aside = path / ".model.safetensors.tmp"
        save_file(plain, aside)
        as_other_files(aside).replace(path / WEIGHTS)
        write_whole(path / CONFIG, json.dumps({**about, "gibbsian_version": __version__}, indent=1))
        write_whole(path / "README.md", card(about, paper))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"cannot write model folder {path}: {error}") from error
    return path


def card(about: dict[str, Any], paper: Paper | None) -> str:
    """The model card, Markdown with the front matter of model hubs."""
    name, shape, own = (
        about["system"],
        ", ".join(map(str, about["event_shape"])),
        about["config"].get("net", {}),
    )
    temperature, claims = about["temperature"], "claims" if about["claims_density"] else "does not claim"
    method = f'{paper.authors}, "{paper.title}", {paper.year}, {paper.url}' if paper else name
    net = ", net=YOUR_NETWORK" if ":" in str(own.get("name")) else ""
    net += "" if paper else ", paper=YOUR_PAPER_OR_LOSS"
    return f"""---
library_name: gibbsian
tags: [energy-based-model, {name}]
---
# {name} on {about["data"] or f"data of shape ({shape})"}

A deep energy-based model, p(x) ~ exp(-E(x)/T) with T = {temperature:.3g}; it {claims} to be a density.
Method: {method}.

```python
import gibbsian as gb
model = gb.load("THIS_FOLDER"{net})
x = model.sample(16).x          # shape (16, {shape})
```
"""


def _require_free(path: Path) -> None:
    """Refuse to write over files that were not written here."""
    held = [name for name in (CONFIG, WEIGHTS, "README.md") if (path / name).exists()]
    with suppress(OSError, ValueError, TypeError, KeyError):
        if held and json.loads((path / CONFIG).read_text())["gibbsian_version"]:
            return
    if held:
        raise UsageError(
            f"{path} holds a {held[0]} that is no model's: give a folder of its own, such as {path / 'model'}"
        )


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What config.json says, and the weights; raises `CheckpointError` for missing or damaged files."""
    try:
        return json.loads((path / CONFIG).read_text()), load_file(path / WEIGHTS)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is no model folder: it lacks {CONFIG} or {WEIGHTS}") from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"model folder {path} is damaged: {error}; export it again") from error


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Load `weights` into `module`; raises `CheckpointError` naming the first mismatch."""
    require_match(module.state_dict(), weights, where)
    module.load_state_dict(dict(weights))


def require_match(own: Mapping[str, Any], given: Mapping[str, Any], where: str) -> None:
    """Raise `CheckpointError` unless `given` has the keys and shapes of `own`, naming the first mismatch."""
    for key, tensor in own.items():
        if key not in given:
            raise CheckpointError(f"{where} is of another system or network: it has no '{key}'")
        if given[key].shape != tensor.shape:
            shapes = f"{tuple(given[key].shape)}, not {tuple(tensor.shape)}"
            raise CheckpointError(
                f"{where} is of another network or other settings: '{key}' has shape {shapes}"
            )
    extra = sorted(set(given) - set(own))
    if extra:
        raise CheckpointError(f"{where} is of another system or network: '{extra[0]}' has no place here")
