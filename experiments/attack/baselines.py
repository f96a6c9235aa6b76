"""The run's own network trained to classify, plainly and on attacked images: what an energy is up against.

    plain   min_theta  E[ L(x, y) ]
    pgd     min_theta  E[ max_(|x' - x| <= eps) L(x', y) ],  the maximum by 7 steps of PGD from a random start

(A. Madry et al. 2018, arXiv 1706.06083, eq. 2.1.) Same architecture with a logit a class, same data, Adam
with its rate falling to 0 along a cosine of the time. Nothing is chosen on test images. Trained networks are
kept, and used again where they were trained in the same way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gibbsian.core.config import to_dict
from gibbsian.core.errors import UsageError, require_positive
from gibbsian.core.random import derive, generator, seeded_init
from gibbsian.data.batches import Batches
from gibbsian.data.dataset import Dataset
from gibbsian.nets.families import AnyNet
from gibbsian.nets.frozen import frozen
from gibbsian.nets.vector import build_vector
from gibbsian.tasks.attack.pgd import Ball, Climb, Norm, pgd
from gibbsian.tasks.cache import UNREADABLE, is_current, read_cached, save_cached

Kind: TypeAlias = Literal["plain", "pgd"]
KINDS: tuple[Kind, ...] = ("plain", "pgd")
BATCH, RATE, STEPS = 128, 1e-3, 7


@dataclass(frozen=True)
class Training:
    """How baselines are trained: `eps` in pixels of range 1, by PGD in this `norm`; `minutes` each, or
    `updates`, if given, which repeats bit for bit."""

    net: AnyNet
    box: tuple[float, float]
    minutes: float = 3.0
    norm: Norm = "linf"
    eps: float = 0.1
    updates: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive(**{"baseline minutes": self.minutes, "train eps": self.eps})
        if self.updates is not None and self.updates < 1:
            raise UsageError(f"updates is {self.updates}: it must be at least 1")

    def record(self, kind: Kind, data: Dataset) -> dict[str, Any]:
        """What decides the network, as plain values."""
        about = {**to_dict(self), "kind": kind, "data": data.name, "train_n": len(data), "batch": BATCH}
        if kind == "plain":
            about |= {"norm": None, "eps": None}
        return {**about, "fingerprint": data.fingerprint}


@dataclass(frozen=True, eq=False)
class Baseline:
    """A trained classifier, `(B, *event)` to logits `(B, C)`, and how it was trained."""

    net: nn.Module
    record: dict[str, Any]


def baseline(
    kind: Kind,
    data: Dataset,
    training: Training,
    folder: Path | None = None,
    *,
    device: torch.device | str = "cpu",
    watch: Callable[[float], None] = lambda share: None,
) -> Baseline:
    """The network of `kind`, from `folder` if it was trained there in the same way, else trained (and kept).

    `data` are the training images, with labels. Raises `UsageError` where the folder cannot be written.
    """
    net = _built(data, training)
    path = None if folder is None else folder / f"{kind}.safetensors"
    wanted = training.record(kind, data)
    if path is not None and (stored := _read(net, path, wanted)) is not None:
        return Baseline(net.to(device).eval(), stored)
    begun = time.monotonic()
    made = _train(net.to(device), kind, data, training, watch)
    about = {**wanted, "made": made, "seconds": round(time.monotonic() - begun, 1)}
    if path is not None:
        save_cached(path, net.state_dict(), about)
    return Baseline(net.eval(), about)


def _built(data: Dataset, training: Training) -> nn.Module:
    with seeded_init(generator(derive(training.seed, "baseline"))):
        return build_vector(
            replace(training.net, classes=0, head="scalar"), data.event_shape, len(data.classes)
        )


def _train(
    net: nn.Module, kind: Kind, data: Dataset, training: Training, watch: Callable[[float], None]
) -> int:
    """Train in place; returns the number of updates."""
    device = next(net.parameters()).device
    batches = Batches(data, BATCH, generator(derive(training.seed, "baseline/data")))
    rng = generator(derive(training.seed, "baseline/attack"), device)
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    clock, made = _Clock(training.minutes, training.updates), 0
    while (share := clock.share(made)) < 1:
        batch = batches.next(*training.box)
        assert batch.y is not None
        x, y = batch.x.to(device), batch.y.to(device)
        if kind == "pgd":
            x = _attacked(net, x, y, training, rng)
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 + math.cos(math.pi * share)) / 2
        with seeded_init(rng):
            loss = F.cross_entropy(net.train()(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        made += 1
        watch(share)
    return made


def _attacked(net: nn.Module, x: Tensor, y: Tensor, training: Training, rng: torch.Generator) -> Tensor:
    """The images at the end of a training attack, wrong answers or not."""
    low, high = training.box
    ball = Ball(training.norm, training.eps * (high - low), low, high)
    with frozen(net):
        return pgd(net, x, y, ball, Climb(STEPS, 1), rng, stop=False)[0]


class _Clock:
    """The share of the training that is done, by time or by updates."""

    def __init__(self, minutes: float, updates: int | None) -> None:
        self.seconds, self.updates, self.begun = 60 * minutes, updates, time.monotonic()

    def share(self, made: int) -> float:
        """From 0 to 1 or a little more."""
        if self.updates is not None:
            return made / self.updates
        return (time.monotonic() - self.begun) / self.seconds


def _read(net: nn.Module, path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Load the weights at `path` if its record says `wanted`; the record, or none."""
    with suppress(*UNREADABLE):
        weights, record = read_cached(path)
        if is_current(record, wanted):
            net.load_state_dict(weights)
            return record
    return None
