"""`gibbsian train`: resolve the configuration, prepare the run, fit; long because its flags are many."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.device import usable
from ..core.errors import CheckpointError, UsageError
from ..data.options import READ
from ..data.recipe import FILES, DataRecipe
from ..models.papers import OURS, entry, same_name
from ..train.recipes import RunConfig, resolve, suggestion
from ..train.settings import Compiling
from . import reading
from .options import Arg, Keys
from .result import Result
from .runs import DataDir, Device
from .settings import read_yaml, system_settings, yaml_text

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..train.fit import Prepared
    from ..train.trainer import Outcome, Validator

Settings = Mapping[str, Any]
Asked = tuple[str | None, Settings]


def train(
    system: Annotated[str | None, Arg("a name of gibbsian list systems, or FILE.py:OBJECT")] = None,
    *,
    data: Annotated[str | None, Arg("data set, see gibbsian list data", "NAME")] = None,
    size: reading.Size = None,
    resize: reading.Resize = None,
    grey: reading.Grey = None,
    background: reading.Background = None,
    levels: reading.Levels = None,
    images: reading.Images = None,
    channels: reading.Channels = None,
    on_error: reading.OnError = None,
    header: reading.Header = None,
    columns: reading.Columns = None,
    label_column: reading.LabelColumn = None,
    standardise: reading.Standardise = None,
    preset: Annotated[str | None, Arg("named settings, see gibbsian list presets", "P")] = None,
    config: Annotated[str | None, Arg("YAML file of settings, as a run's config.yaml", "F.yaml")] = None,
    steps: Annotated[int | None, Arg("weight updates in all (train.steps)", "N")] = None,
    minutes: Annotated[float | None, Arg("budget of time; the updates are fitted to it", "M")] = None,
    out: Annotated[str | None, Arg("run folder; runs/SYSTEM-DATA by default", "DIR")] = None,
    resume: Annotated[
        str | None,
        Arg("auto: go on in --out; PATH: a run or checkpoint", "auto|PATH"),
    ] = None,
    init_from: Annotated[str | None, Arg("start anew from the weights of this run", "DIR")] = None,
    net: Annotated[str | None, Arg("network, or module:Class (net.name)", "NAME")] = None,
    seed: Annotated[int | None, Arg("seed of every random stream (train.seed)", "S")] = None,
    device: Device = "cpu",
    precision: Annotated[
        Literal["fp32", "bf16", "auto"] | None, Arg("of the network (train.precision)")
    ] = None,
    compile: Annotated[Compiling | None, Arg("compiled chains (train.compile)")] = None,
    log: Annotated[Literal["tensorboard"] | None, Arg("write the log there too, in --out")] = None,
    data_dir: DataDir = None,
    settings: Annotated[Settings | None, Keys(system_settings, "SYSTEM")] = None,
    print_config: Annotated[bool, Arg("print the configuration and stop", flag="--print_config")] = False,
) -> Result:
    """Fit a system to data. A preset gives settings, a YAML file changes some, --section.key changes more.

    The run folder holds config.yaml, run.json, metrics.jsonl, curves.png (losses, energies, chains), samples/
    and checkpoints/. Ctrl-C saves before it stops; --resume auto goes on bit for bit (not with --compile
    auto), and starts anew where there is nothing to resume. A run that diverges ends with exit code 4, or
    goes back to its last good state with --monitor.policy rollback.
    """
    how = {key: value for key, value in locals().items() if key in READ}
    if system is None:
        raise UsageError(f"SYSTEM is missing: {_going_on(resume, out) or suggestion(data)}")
    entry(system)
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"--minutes is {minutes:g}: it must be a number above 0")
    train = {"steps": steps, "seed": seed, "precision": precision, "compile": compile}
    direct = {f"train.{k}": v for k, v in train.items()} | {"net.name": net}
    changes = {**(settings or {}), **{k: v for k, v in direct.items() if v is not None}}
    given = read_yaml(config) if config else None
    settled = partial(resolve, system, preset=preset, data=data, changes=changes)
    if resume == "auto":
        out = out or str(Path("runs") / run_name(system, settled(file=given).data))
    folder, checkpoint = _places(out, resume)
    file = given if config or not resume else _stored(system, folder)
    resolved = reading.with_options(settled(file=file), file if resume else None, how)
    if print_config:
        return Result(resolved.to_dict(), yaml_text(resolved))
    where = {"init_from": init_from, "resume": checkpoint, "out": folder or free_folder(resolved), "log": log}
    asked = resolved.train.steps if "train.steps" in changes else None
    prepared = _prepare(resolved, where, data_dir, device, None if file else (preset, changes))
    outcome = prepared.trainer.fit(asked, minutes=minutes)
    return _result(prepared, outcome)


def run_name(system: str, data: str) -> str:
    """`igebm-digits`, `igebm-toy-ring`, `igebm-faces` for folder:/data/faces."""
    paper = entry(system).name
    last = DataRecipe.parse(data).name.removeprefix("folder:").rstrip("/").rpartition("/")[2]
    ending = max((e for e in FILES if last.lower().endswith(e)), key=len, default="")
    return f"{paper}-{last.removesuffix(last[len(last) - len(ending) :]).replace(':', '-')}"


def free_folder(config: RunConfig) -> Path:
    """`runs/SYSTEM-DATA`, with -2, -3, ... where it is taken."""
    first = Path("runs") / run_name(config.system, config.data)
    numbered = (first.with_name(f"{first.name}-{i}") for i in count(2))
    return next(p for p in chain([first], numbered) if not p.exists())


def _places(out: str | None, resume: str | None) -> tuple[Path | None, str | None]:
    """The run folder, if the command line settles it, and what to resume from."""
    if resume is None or resume == "auto":
        return (Path(out) if out else None), resume
    from ..train.load import locate

    source, run = locate(Path(resume))
    if out and Path(out).resolve() != run.path.resolve():
        raise UsageError(
            f"--resume {resume} goes on in {run.path}: leave out --out, or start anew with --init-from"
        )
    return run.path, str(source)


def _going_on(resume: str | None, out: str | None) -> str:
    """The command that goes on with the run that was meant, empty if none was."""
    from ..train.folder import RunFolder

    folder, _ = _places(out, resume)
    if not resume or folder is None or not (folder / "config.yaml").is_file():
        return ""
    config, where = RunFolder(folder).config(), f" --out {out}" if out else ""
    return f"gibbsian train {config.get('system')} --data {config.get('data')} --resume {resume}{where}"


def _stored(system: str, folder: Path | None) -> dict[str, Any] | None:
    """The configuration of the run that is resumed, none where there is no run yet."""
    if folder is None or not (folder / "config.yaml").is_file():
        return None
    from ..train.folder import RunFolder

    stored = RunFolder(folder).config()
    if same_name(system, name := str(stored.get("system"))) and not {system, name} & OURS:
        return {**stored, "system": system}  # a paper of others that a person names by its file
    if name != system:
        raise CheckpointError(
            f"{folder} is a run of {stored.get('system')}, not {system}: choose another --out"
        )
    return stored


def _prepare(
    config: RunConfig, where: dict[str, Any], data_dir: str | None, device: str, asked: Asked | None
) -> Prepared:
    """A run that is ready to go; without a file of settings the data decide what `asked` left open."""
    from ..data.load import load
    from ..train.fit import prepare
    from ..train.matching import resolved
    from .machine import warn_if_emulated

    usable(device)
    warn_if_emulated(config.train.precision, device)
    dataset = load(config.data, data_dir=data_dir)
    validate = None
    if config.train.validate_every:
        dataset, validate = _set_aside(config.data, dataset, data_dir)
    config, told = resolved(config.system, asked[0], dataset, dict(asked[1])) if asked else (config, [])
    config = replace(config, data=dataset.full_name)
    title = DataRecipe.parse(config.data).title
    for note in [*dataset.notes, *told]:
        _say(f"{title}: {note}")
    print(f"{config.system} on {title}, preset {config.preset}, in {where['out']}", file=sys.stderr)
    where["given"] = asked[1] if asked else ()
    return prepare(config, dataset, **where, validate=validate, notify=_say, device=device)


def _set_aside(name: str, dataset: Dataset, data_dir: str | None) -> tuple[Dataset, Validator]:
    """The data to train on, and the measure that chooses the best checkpoint: against a toy's exact draws, or
    against a fifth of the images, 500 at most, that training then never sees."""
    from ..tasks.evaluate import validator

    if name.startswith("toy:"):
        return dataset, validator(name)
    held = min(500, len(dataset) // 5)
    if not dataset.is_image or dataset.y is None or held < 16:
        raise UsageError(
            "train.validate_every needs a toy density or at least 80 labelled images, which "
            f"{name} is not: set it to 0"
        )
    return dataset.split_off(held)[0], validator(name, held, validation=held, data_dir=data_dir)


def _say(text: str) -> None:
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def _result(prepared: Prepared, outcome: Outcome) -> Result:
    folder = prepared.trainer.folder
    out = str(folder.path) if folder else None
    config = prepared.config
    data = {
        "system": config.system,
        "data": config.data,
        "preset": config.preset,
        "out": out,
        "state": outcome.state,
        "steps": outcome.step,
        "seconds": round(outcome.seconds, 3),
        "rollbacks": outcome.rollbacks,
        "best": outcome.best,
        "metrics": outcome.metrics,
    }
    gap = outcome.metrics.get("energy_gap")
    told = f", energy gap {gap:+.3g}" if gap is not None else ""
    drawn = ", curves in curves.png" if folder and folder.curves.is_file() else ""
    done = f"{outcome.state}: {outcome.step} updates in {outcome.seconds:.1f} s{told}"
    return Result(data, f"{done}; {out}{drawn}")
