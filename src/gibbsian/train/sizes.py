"""What the shape of a person's own data decides of the networks that a preset describes.

signals (C, L)       networks of images become convolutions over the length, as deep as halves it to about
                     SHORT samples; convolutional generators and autoencoders become dense
images over 32       every network gets a layer more each time that the longer side doubles
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2
from typing import Any

from ..nets.settings import GeneratorConfig, MapsConfig, VAEConfig, per_layer

SIDE, SHORT, WIDEST = 32, 8, 128
"""Pixels a side for which presets are deep enough; samples at which a signal is short; most feature maps."""


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
