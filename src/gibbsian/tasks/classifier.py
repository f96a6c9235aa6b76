"""The network behind the features: its layers, its use on images, its file.

Weights are kept as 8-bit integers with one scale a row, and used as they come back from that, so
that the numbers are the same before and after a net is stored.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import DataError, UsageError
from ..data.dataset import as_floats
from .cache import UNREADABLE, read_cached, save_cached
from .spoiled import KINDS

NAME = "gibbsian-small-v2"
"""With the version: figures of two versions are not to be compared."""
WIDTH = 64


class Net(nn.Module):
    """A network: `forward` (B, C, H, W) to features (B, 64), `head` to logits of the classes and of none of
    them, and to guesses of how far an image is spoiled (see `spoiled`).

    That of the role "features" has large filters, means over 4 x 4 cells and features in (-1, 1), the "judge"
    small filters, cells as they are, and features of at least 0: they agree for what they see alone.
    """

    def __init__(self, event_shape: tuple[int, ...], classes: int, role: str = "features") -> None:
        super().__init__()
        channels, height, width = event_shape
        large = min(height, width) > 16
        small = tuple(min(_halved(_halved(n)) if large else _halved(n), 8) for n in (height, width))
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 5 if large else 3, 2 if large else 1, 2 if large else 1), nn.SiLU(),
            nn.Conv2d(32, 64, 5, 2, 2), nn.SiLU(), nn.AdaptiveAvgPool2d(4),
            nn.Flatten(), nn.Linear(16 * 64, 128), nn.SiLU(), nn.Linear(128, WIDTH), nn.Tanh(),
        ) if role == "features" else nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2 if large else 1, 1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(64, 48, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(small),
            nn.Flatten(), nn.Linear(48 * math.prod(small), WIDTH), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(WIDTH, classes + 1 + KINDS)

    def forward(self, x: Tensor) -> Tensor:
        """Features of images in [-1, 1]."""
        return self.body(x)

    def probabilities(self, x: Tensor) -> Tensor:
        """(B, classes), what is missing to a sum of 1 being the probability of none of them."""
        return self.head(self(x))[:, :-KINDS].softmax(1)[:, :-1]

    def loss(self, x: Tensor, y: Tensor, severity: Tensor) -> Tensor:
        """Cross-entropy with the class as far as an image is not spoiled, squared error of the severities."""
        out, none = self.head(self(x)), severity.sum(1)
        target = F.one_hot(y, out.shape[1] - KINDS) * (1 - none)[:, None]
        target[:, -1] = none
        wrong = (out[:, -KINDS:] - severity).square().sum(1).mean()
        return F.cross_entropy(out[:, :-KINDS], target) + wrong


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained net. `record` tells which: name, role, data, sha256 of the weights, test accuracy.

    `weights` are as stored (see `pack`). Images are uint8 as a data set keeps them, or floats
    (N, C, H, W) in [low, high]; results are on the CPU.
    """

    weights: dict[str, Tensor]
    event_shape: tuple[int, ...]
    classes: tuple[str, ...]
    record: dict[str, Any]

    @cached_property
    def net(self) -> Net:
        """The network with these weights, in eval mode, its parameters frozen."""
        net = Net(self.event_shape, len(self.classes), self.record["role"])
        net.load_state_dict(unpack(self.weights))
        return net.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """The feature space, such as gibbsian-small-v2/mnist; a judge's name ends in -judge."""
        ending = "" if self.record["role"] == "features" else f"-{self.record['role']}"
        return f"{self.record['name']}/{self.record['data']}{ending}"

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits of the weights as stored."""
        return self.record["sha256"]

    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0, chunk: int = 512) -> Tensor:
        """The 64 features of each image, (N, 64) float32."""
        return self._chunked(self.net, x, low, high, chunk)

    def probabilities(self, x: Tensor, *, low: float = -1.0, high: float = 1.0, chunk: int = 512) -> Tensor:
        """Probability of each class, (N, C) float32; what a row lacks to 1 is that of no image of the set."""
        return self._chunked(self.net.probabilities, x, low, high, chunk)

    def answers(self, x: Tensor, *, low: float = -1.0, high: float = 1.0, chunk: int = 512) -> Tensor:
        """Number of the likeliest class, (N,) int64."""
        return self.probabilities(x, low=low, high=high, chunk=chunk).argmax(1)

    def to(self, device: torch.device | str) -> Classifier:
        """The same classifier with its net moved to `device`."""
        self.net.to(device)
        return self

    @torch.no_grad()
    def _chunked(
        self, fn: Callable[[Tensor], Tensor], x: Tensor, low: float, high: float, chunk: int
    ) -> Tensor:
        device = self.net.head.weight.device
        return torch.cat([fn(self._scaled(rows, low, high).to(device)).cpu() for rows in x.split(chunk)])

    def _scaled(self, x: Tensor, low: float, high: float) -> Tensor:
        """Floats in [-1, 1] of the shape the net was trained on."""
        if x.dtype == torch.uint8:
            x = as_floats(x, -1.0, 1.0)
        elif (low, high) != (-1.0, 1.0):
            x = (x - low) * (2 / (high - low)) - 1
        if tuple(x.shape[1:]) != self.event_shape:
            raise UsageError(
                f"the classifier for {self.record['data']} takes images of shape {self.event_shape}, got "
                f"{tuple(x.shape[1:])}"
            )
        return x.to(torch.float32)


def save_classifier(classifier: Classifier, path: Path) -> None:
    """Write the weights with the record as metadata, aside first, then renamed."""
    about = classifier.record | {"event_shape": classifier.event_shape, "classes": classifier.classes}
    save_cached(path, classifier.weights, about)


def read_classifier(path: Path) -> Classifier:
    """A classifier from its file; raises `DataError` if the file is missing, damaged or of another kind."""
    try:
        weights, about = read_cached(path)
        shape, classes = tuple(about.pop("event_shape")), tuple(about.pop("classes"))
        classifier = Classifier(weights, shape, classes, about)
        classifier.net.eval()
    except UNREADABLE as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is not a classifier of {NAME} ({reason})") from error
    if checksum(weights) != about.get("sha256"):
        raise DataError(f"the weights in {path} are not those of its record")
    return classifier


def pack(net: Net) -> dict[str, Tensor]:
    """Weights as int8 with one float32 scale a row, biases as they are; on the CPU."""
    packed: dict[str, Tensor] = {}
    for key, value in net.state_dict().items():
        if value.dim() == 1:
            packed[key] = value.cpu().clone()
            continue
        rows = value.cpu().contiguous().flatten(1)
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        packed[key] = (rows / scale).round().to(torch.int8).reshape(value.shape)
        packed[f"{key}.scale"] = scale.squeeze(1)
    return packed


def unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state of a `Net`."""
    return {
        key: _floats(value, packed.get(f"{key}.scale"))
        for key, value in packed.items()
        if ".scale" not in key
    }


def checksum(packed: dict[str, Tensor]) -> str:
    """64 hexadecimal digits of the stored weights."""
    digest = hashlib.sha256()
    for key in sorted(packed):
        digest.update(key.encode() + packed[key].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _floats(value: Tensor, scale: Tensor | None) -> Tensor:
    return value if scale is None else value.float() * scale.reshape(-1, *[1] * (value.dim() - 1))


def _halved(n: int) -> int:
    return (n + 1) // 2
