"""The Inception network of the FID, from a weight file of the user's own: none is in the package or fetched.

The network (Szegedy et al. 2016, arXiv 1512.00567) as its weights of 2015-12-05 are used for the FID (Heusel
et al. 2017): 1,008 outputs, means over windows that leave out the border, a maximum in the last block, images
resampled to 299 x 299 bilinearly. The file is the state_dict pt_inception-2015-12-05-6726825d.pth.
Distances may be called FID, and scores IS, only where the weights are verified: by the first digits of the
file's SHA-256, which are those of its name, or by stored statistics (`inception_evaluator.Statistics`).
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import DataError
from ..data.dataset import as_floats

PUBLISHED = "6726825d"
NAME, UNVERIFIED = "inception-2015-12-05", "inception (weights not verified)"
WIDTH, OUTPUTS, SIDE, CHUNK = 2048, 1008, 299, 32
BROKEN = (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)

Layers: TypeAlias = tuple[tuple[int, int, int], ...]
"""Channels, height and width of the filters of a branch, layer by layer."""


@dataclass(frozen=True)
class Block:
    """Branches side by side, whose outputs are joined. `pool` is the window before the branch of that name,
    "mean" or "max"; "stride" is a maximum of its own, in steps of 2 as the last layer of each branch. After
    the last layer of the branches in `forks` come two side by side, 1 x 3 and 3 x 1.
    """

    name: str
    branches: Mapping[str, Layers]
    pool: str = "mean"
    forks: tuple[str, ...] = ()

    def layers(self, branch: str) -> list[str]:
        """Names of a branch's layers in the file, without the fork."""
        many = len(self.branches[branch]) > 1 or branch in self.forks
        ends = [f"_{k + 1}" for k in range(len(self.branches[branch]))] if many else [""]
        return [f"{self.name}.{branch}{end}" for end in ends]

    def fork(self, branch: str) -> list[str]:
        """Names of the two layers of a fork."""
        if branch not in self.forks:
            return []
        return [f"{self.name}.{branch}_{len(self.branches[branch]) + 1}{end}" for end in "ab"]


STEM = {
    "Conv2d_1a_3x3": (3, 32, 3), "Conv2d_2a_3x3": (32, 32, 3), "Conv2d_2b_3x3": (32, 64, 3),
    "Conv2d_3b_1x1": (64, 80, 1), "Conv2d_4a_3x3": (80, 192, 3),
}  # fmt: skip


def _a(name: str, pooled: int) -> Block:
    double = ((64, 1, 1), (96, 3, 3), (96, 3, 3))
    five = ((48, 1, 1), (64, 5, 5))
    return Block(name, {"branch1x1": ((64, 1, 1),), "branch5x5": five, "branch3x3dbl": double,
                        "branch_pool": ((pooled, 1, 1),)})  # fmt: skip


def _c(name: str, w: int) -> Block:
    seven = ((w, 1, 1), (w, 1, 7), (192, 7, 1))
    double = ((w, 1, 1), (w, 7, 1), (w, 1, 7), (w, 7, 1), (192, 1, 7))
    return Block(name, {"branch1x1": ((192, 1, 1),), "branch7x7": seven, "branch7x7dbl": double,
                        "branch_pool": ((192, 1, 1),)})  # fmt: skip


def _e(name: str, pool: str) -> Block:
    double = ((448, 1, 1), (384, 3, 3))
    return Block(name, {"branch1x1": ((320, 1, 1),), "branch3x3": ((384, 1, 1),), "branch3x3dbl": double,
                        "branch_pool": ((192, 1, 1),)}, pool, ("branch3x3", "branch3x3dbl"))  # fmt: skip


BLOCKS = (
    _a("Mixed_5b", 32), _a("Mixed_5c", 64), _a("Mixed_5d", 64),
    Block("Mixed_6a", {"branch3x3": ((384, 3, 3),),
                       "branch3x3dbl": ((64, 1, 1), (96, 3, 3), (96, 3, 3))}, "stride"),
    _c("Mixed_6b", 128), _c("Mixed_6c", 160), _c("Mixed_6d", 160), _c("Mixed_6e", 192),
    Block("Mixed_7a", {"branch3x3": ((192, 1, 1), (320, 3, 3)),
                       "branch7x7x3": ((192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3))}, "stride"),
    _e("Mixed_7b", "mean"), _e("Mixed_7c", "max"),
)  # fmt: skip


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all weights that the network has."""
    for name, (width, out, side) in STEM.items():
        yield from _layer(name, width, (out, side, side))
    width = STEM["Conv2d_4a_3x3"][1]
    for block in BLOCKS:
        total = width if block.pool == "stride" else 0
        for branch, layers in block.branches.items():
            before = width
            for name, layer in zip(block.layers(branch), layers, strict=True):
                yield from _layer(name, before, layer)
                before = layer[0]
            for name, (height, wide) in zip(block.fork(branch), ((1, 3), (3, 1)), strict=False):
                yield from _layer(name, before, (before, height, wide))
            total += before * (2 if block.fork(branch) else 1)
        width = total
    yield from (("fc.weight", (OUTPUTS, WIDTH)), ("fc.bias", (OUTPUTS,)))


def _layer(name: str, width: int, layer: tuple[int, int, int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    out, height, wide = layer
    yield f"{name}.conv.weight", (out, width, height, wide)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.bn.{part}", (out,)


class Inception:
    """The features of images before the last layer, `(N, 2048)`, and its outputs."""

    def __init__(
        self, weights: Mapping[str, Tensor], sha256: str, device: torch.device | str = "cpu"
    ) -> None:
        self.weights = {name: weights[name].to(device, torch.float32) for name, _ in shapes()}
        self.sha256, self.device = sha256, device
        self.verified = sha256.startswith(PUBLISHED)

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return NAME if self.verified else UNVERIFIED

    @torch.no_grad()
    def features(self, x: Tensor, *, low: float = -1.0, high: float = 1.0) -> Tensor:
        """The features of floats `(N, C, H, W)` in [low, high], or of uint8 images, of 1 or 3 channels."""
        x = as_floats(x, -1.0, 1.0) if x.dtype == torch.uint8 else (x - low) * (2 / (high - low)) - 1
        parts = (part.to(self.device, torch.float32) for part in x.split(CHUNK))
        return torch.cat([self._seen(part).cpu() for part in parts])

    def probabilities(self, features: Tensor) -> Tensor:
        """`(N, 1008)` at features, without the bias of the last layer, as in the published IS."""
        return (features.double() @ self.weights["fc.weight"].double().cpu().T).softmax(1)

    def _seen(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1)
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        x = self._conv(self._conv(x, "Conv2d_1a_3x3", stride=2, padded=False), "Conv2d_2a_3x3", padded=False)
        x = F.max_pool2d(self._conv(x, "Conv2d_2b_3x3"), 3, 2)
        x = self._conv(self._conv(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", padded=False)
        x = F.max_pool2d(x, 3, 2)
        for block in BLOCKS:
            x = self._block(x, block)
        return x.mean((2, 3))

    def _block(self, x: Tensor, block: Block) -> Tensor:
        found, strided = [], block.pool == "stride"
        for branch in block.branches:
            h, names = self._pooled(x, block.pool) if branch == "branch_pool" else x, block.layers(branch)
            for name in names:
                last = strided and name == names[-1]
                h = self._conv(h, name, stride=2 if last else 1, padded=not last)
            found += [self._conv(h, name) for name in block.fork(branch)] or [h]
        return torch.cat([*found, *([F.max_pool2d(x, 3, 2)] if strided else [])], 1)

    def _pooled(self, x: Tensor, pool: str) -> Tensor:
        return (
            F.max_pool2d(x, 3, 1, 1) if pool == "max" else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )

    def _conv(self, x: Tensor, name: str, *, stride: int = 1, padded: bool = True) -> Tensor:
        of = self.weights
        weight = of[f"{name}.conv.weight"]
        h = F.conv2d(x, weight, None, stride, [k // 2 for k in weight.shape[2:]] if padded else 0)
        mean, var, scale, shift = (
            of[f"{name}.bn.{p}"] for p in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(h, mean, var, scale, shift, eps=1e-3).relu()


def read_inception(path: Path, device: torch.device | str = "cpu") -> Inception:
    """The network of a weight file; raises `DataError` for any other file, which runs no code."""
    expected = "expected is the state_dict pt_inception-2015-12-05-6726825d.pth"
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a script it warns before it refuses
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"cannot read the Inception weights {path}: {error.strerror}; {expected}") from error
    except (*BROKEN, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path} holds no plain table of weights (is it a script, or damaged?): {expected}"
        ) from error
    if not isinstance(found, Mapping):
        raise DataError(f"{path} holds a {type(found).__name__}, no table of weights: {expected}")
    for name, shape in shapes():
        value = found.get(name)
        if not isinstance(value, Tensor) or tuple(value.shape) != shape or not value.is_floating_point():
            has = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else "missing"
            raise DataError(
                f"{path} is of another network: {name} is {has}, not of shape {shape}; {expected}"
            )
    return Inception(found, digest, device)
