"""Settings and data that go together: chosen where nobody chose, refused where they do not.

The shape of a person's own data decides on the networks that a preset describes:

signals (C, L)       networks of images become convolutions over the length, as deep as halves it to about
                     SHORT samples; convolutional generators and autoencoders become dense
images over 32       every network gets a layer more each time that the longer side doubles
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, log2
from typing import Any

from ..core.errors import UsageError
from ..core.explain import warn
from ..core.spec import DataSpec
from ..data.dataset import Dataset
from ..data.labels import listed
from ..data.own import is_own, model_range
from ..nets.families import CustomNetConfig
from ..nets.settings import GeneratorConfig, MapsConfig, VAEConfig, per_layer
from .recipes import RunConfig, changed, default_preset, resolve, shaped

SIDE, SHORT, WIDEST = 32, 8, 128
"""Pixels a side for which presets are deep enough; samples at which a signal is short; most feature maps."""
FAR, HOPELESS = 30.0, 1000.0
"""How many times apart, or away from 1, deviations of columns are told of and refused."""


def resolved(
    system: object, preset: str | None, data: Dataset, changes: dict[str, Any]
) -> tuple[RunConfig, list[str]]:
    """The configuration for `data`, whose shape decides on a preset where their name does not, and its range
    where the preset's does not hold them; and what was so decided.

    Raises `UsageError` for unknown names, and where the system is no name.
    """
    if not isinstance(system, str):
        what = f"the class {system.__name__}" if isinstance(system, type) else f"a {type(system).__name__}"
        raise UsageError(
            f"the first argument is {what}: give the name of a paper, such as 'short_run', and a network of "
            "your own as net="
        )
    points = not data.is_image and len(data.event_shape) == 1
    if preset is None and points and default_preset(system, data.name) == "images":
        preset = default_preset(system, "toy:own" if data.event_shape == (2,) else "table:own")
    config = resolve(system, preset=preset, data=data.full_name, changes=changes)
    config, shape = shaped(config, changes)
    config, told = fitted(config, data, changes)
    return config, [*told, *shape]


def fitted(config: RunConfig, data: Dataset, changes: Mapping[str, Any]) -> tuple[RunConfig, list[str]]:
    """`config` with what `data` of a person's own decide where `changes` set nothing, and that in words."""
    told, more = _chosen(config, data, changes)
    return changed(config, more), told


def _chosen(config: RunConfig, data: Dataset, changes: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """What the data of a person's own decide where nothing was set, in words and as settings."""
    sections = vars(config.model)  # a paper of others may have neither of these two
    told, more = sized(sections, data.event_shape, changes) if is_own(data) else ([], {})
    pixels, net = sections.get("pixels"), sections.get("net")
    wider = model_range(data, pixels.low, pixels.high) if pixels else None
    if pixels and wider is not None and not {"pixels.low", "pixels.high"} & set(changes):
        more |= {"pixels.low": wider[0], "pixels.high": wider[1]}
        told.append(
            f"values leave the preset's {pixels.low:g} to {pixels.high:g}: pixels are set to {wider[0]:g} to "
            f"{wider[1]:g}"
        )
    start = sections.get("start")
    uniform = start is not None and start.kind != "data" and start.noise == "uniform"
    if uniform and data.table and data.table.changes and not {"start.noise", "start.scale"} & set(changes):
        more |= {"start.noise": "gaussian", "start.scale": 1.0}
        told.append("chains start at N(0, 1), where standardised columns lie: start.noise is gaussian")
    found = len(data.classes) if is_own(data) and data.y is not None else 0
    if found and net and net.classes and "net.classes" not in changes:
        if net.joint and found == 1:
            raise UsageError(
                f"{data.name} has one class, {data.classes[0]}, and {config.system} tells two or more apart: "
                "give more, or train igebm, which needs none"
            )
        more["net.classes"] = found
        told.append(f"net.classes is {found}, from the labels: {listed(data.classes)}")
    elif found and net and not (net.classes or net.condition):
        told.append("its labels are not used: net.classes is 0, so the model is one of x alone")
    if data.cond is not None and data.cond.dim() == 2 and net and "net.condition" not in changes:
        told += _condition(config, data, more)
    return told, more


def _condition(config: RunConfig, data: Dataset, more: dict[str, Any]) -> list[str]:
    """A model of p(x | c) for data with conditions, where the paper learns one."""
    assert data.cond is not None
    size = data.cond.shape[1]
    if not getattr(config.model, "takes_condition", False):
        return [f"its conditions are not used: {config.system} learns p(x) alone"]
    if sum(config.model.net.condition) == size:
        return []
    more |= {"net.condition": data.blocks or (size,), "net.classes": 0}
    return [f"a model of p(x | c): net.condition is {size}, from the conditions of the data"]


def sized(
    sections: Mapping[str, Any], shape: tuple[int, ...], changes: Mapping[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """What data of this `shape` ask of the `sections` of a model's settings beside what `changes` set: in
    words, and as settings by dotted names."""
    more: dict[str, Any] = {}
    if len(shape) == 2:
        for name, section in sections.items():
            more |= {f"{name}.{k}": v for k, v in _of_signals(section, shape[1]).items()}
        why = f"as data are signals of {shape[1]} samples"
    elif len(shape) == 3 and max(shape[1:]) > SIDE:
        for name, section in sections.items():
            more |= {f"{name}.{k}": v for k, v in _of_images(section, shape[1:]).items()}
        why = f"as images are {shape[1]}x{shape[2]}"
    more = {k: v for k, v in more.items() if k not in changes}
    if "net.channels" in changes:
        more = {k: v for k, v in more.items() if k not in ("net.kernels", "net.strides")}
    said = {k: v for k, v in more.items() if k.endswith((".name", ".channels"))}
    words = ", ".join(f"{k} is {_plain(v)}" for k, v in said.items())
    return [f"{words}, {why}"] if more else [], more


def _of_signals(section: object, length: int) -> dict[str, Any]:
    if isinstance(section, (GeneratorConfig, VAEConfig)) and section.name == "conv":
        return {"name": "mlp"} if section.hidden else {"name": "mlp", "hidden": (256, 256)}
    if not isinstance(section, MapsConfig) or section.name == "conv1d":
        return {}
    layers = max(2, round(log2(max(length, 1) / SHORT)))
    channels = tuple(min(SIDE * 2 ** (i // 2 + i % 2), WIDEST) for i in range(layers))
    return {"name": "conv1d", "channels": channels, "kernels": (9, 5), "strides": (2,), "paddings": ()}


def _of_images(section: object, size: tuple[int, ...]) -> dict[str, Any]:
    extra = ceil(log2(max(size) / SIDE))
    if isinstance(section, GeneratorConfig) and section.name == "conv":
        return {"channels": section.channels[:1] * extra + section.channels}
    if isinstance(section, VAEConfig) and section.name == "conv":
        return {"channels": section.channels + section.channels[-1:] * extra}
    if not isinstance(section, MapsConfig):
        return {}
    strides = per_layer("strides", section.strides, len(section.channels))
    halvings = sum(stride > 1 for stride in strides)
    extra = min(extra, int(log2(min(size))) - halvings)
    if extra < 1:
        return {}
    return {"channels": section.channels + section.channels[-1:] * extra, "strides": strides + (2,) * extra}


def _plain(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def with_net(config: RunConfig, net: object, dataset: Dataset) -> RunConfig:
    """The same settings with the class of a network of one's own in place of the network that they describe.

    Loading the run then asks for the network again: no file brings code of its own. Raises `UsageError` for
    settings without a network, and where they ask for labels that the data do not have.
    """
    described = vars(config.model).get("net")
    if described is None:
        raise UsageError(
            f"{config.system} has no network in its settings that net= could replace: leave it out"
        )
    _require_labels(described.classes, dataset)
    name = f"{type(net).__module__}:{type(net).__qualname__}"
    kept = {k: getattr(described, k) for k in ("classes", "head", "condition", "condition_dropout")}
    return replace(config, model=replace(config.model, net=CustomNetConfig(name=name, **kept)))


def require_match(spec: DataSpec, dataset: Dataset) -> None:
    """Raise `UsageError` for labels that a model of `spec` cannot take, and for fields beyond its range."""
    wider = model_range(dataset, spec.low, spec.high) if len(dataset.event_shape) > 1 else None
    if wider is not None:
        raise UsageError(
            f"{dataset.name} holds numbers beyond {spec.low:g} to {spec.high:g}, the model's range: set "
            f"pixels.low to {wider[0]:g} and pixels.high to {wider[1]:g}, or scale the data"
        )
    _judge_units(dataset)
    if spec.condition:
        _require_conditions(spec, dataset)
    _require_labels(spec.num_classes, dataset)


def _require_labels(classes: int, dataset: Dataset) -> None:
    if not classes:
        return
    if dataset.y is None:
        raise UsageError(
            f"{dataset.name} has no labels, which this model learns: give some, as folders of classes, "
            "a column named y or an array y, or train a model of x alone, such as igebm with net.classes 0"
        )
    found = len(dataset.classes)
    if found != classes:
        raise UsageError(
            f"net.classes is {classes}, but {dataset.name} has {found}: set net.classes to {found}"
        )


def _require_conditions(spec: DataSpec, data: Dataset) -> None:
    size = sum(spec.condition)
    has = "none" if data.cond is None else f"ones of shape {tuple(data.cond.shape[1:])}"
    if data.cond is None or tuple(data.cond.shape[1:]) != (size,):
        raise UsageError(
            f"this model is one of p(x | c), c being {size} numbers, but {data.name} has {has}: give a pair "
            "(x, c), or set net.condition to []"
        )
    most = float(data.cond.std(0).max()) if len(data) > 1 else 1.0
    if most > FAR:
        warn(f"conditions of {data.name} have deviations up to {most:.3g}: scale them to about 1")


def _judge_units(data: Dataset) -> None:
    """Chains take one step for all columns, so a person's own must be of like size: a warning where they are
    far apart or far from 1, and a `UsageError` where no step could serve them all.
    """
    if data.is_image or len(data.event_shape) != 1 or not is_own(data) or len(data) < 2:
        return
    x = data.x if data.table is None else data.table.standardised(data.x)
    deviations = x.std(0)
    deviations = deviations[deviations > 0]
    if not len(deviations):
        return
    least, most = float(deviations.min()), float(deviations.max())
    apart = max(most / least, most, 1 / most)
    line = (
        f"columns of {data.name} have deviations from {least:.3g} to {most:.3g}: chains take one step for "
        "all, and presets suit a scale of about 1, so let gb.dataset standardise them (--standardise yes)"
    )
    if apart > HOPELESS:
        raise UsageError(line)
    if apart > FAR:
        warn(line)
