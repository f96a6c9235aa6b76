"""The ways to learn classes in sequence that are compared: what each learns with, and what it sees again.

Two protocols that must not be mixed:

    generative        every image of a task is seen once; the energy of (x, y) has chains on x, and what it
                      sees of earlier classes again are ends of its own chains (Y. Du, I. Mordatch 2019)
    discriminative    2,000 updates a task; E(x, y) is a classifier without chains (S. Li et al. 2020)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from ...core.config import to_dict
from ...core.errors import UsageError, unknown
from ...core.random import derive, generator, seeded_init
from ...core.spec import DataSpec
from ...data.dataset import Dataset
from ...models.build import build
from ...models.joint_energy import JointEnergy
from ...models.learner import Learner
from ...models.net_energy import NetEnergy
from ...nets.build import build as build_net
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig, GatedConfig, MLPConfig
from ...train.matching import resolved
from ...train.recipes import RunConfig
from ...train.settings import MonitorConfig, TrainConfig
from .learners import EWC, SI, LabelContrast, LwF, Softmax
from .vae import ConditionalVAE, VAELearner

Protocol: TypeAlias = Literal["generative", "discriminative"]
Negative: TypeAlias = Literal["current", "all"]
HIDDEN, CHANNELS = (400, 400), (32, 32, 64, 64)
CHAINS = 500
"""Stored chains of each class."""
AGAIN = 1500
"""Samples of each earlier class that a generative method sees again in a task, or as many as there
are rows of a new class."""
SEEN = 20
"""Updates between two looks at how far a task is."""


@dataclass(frozen=True)
class Work:
    """What a method is to do: all training rows, for their shape and classes, and how."""

    data: Dataset
    protocol: Protocol
    negative: Negative = "current"
    steps: int | None = None
    passes: int = 1
    batch_size: int | None = None

    @property
    def classes(self) -> int:
        """Number of classes of all tasks together."""
        return len(self.data.classes)

    @property
    def coloured(self) -> bool:
        """Whether data are images in colour, which the papers' classifiers see through convolutions."""
        return self.data.is_image and self.data.event_shape[0] == 3

    @property
    def energy(self) -> RunConfig:
        """The settings of the generative energy, which also say in what range data are seen."""
        dense = len(self.data.event_shape) == 1
        changes: dict[str, Any] = {"net.classes": self.classes, "net.head": "logits"}
        changes["start.capacity"] = CHAINS * self.classes
        if not dense:  # the preset's step is that of 28 x 28 pixels
            step = 6.0 * math.prod(self.data.event_shape) / 784
            changes |= {"chain.step_size": step, "sample.step_size": step}
        return resolved("jem", "sequence-points" if dense else "sequence", self.data, changes)[0]

    @property
    def spec(self) -> DataSpec:
        """Shape, range and classes; the range is that of the papers' data in the discriminative protocol."""
        shape, pixels = self.data.event_shape, self.energy.model.pixels
        low, high = pixels.low, pixels.high
        if self.protocol == "discriminative" and self.data.is_image:
            low, high = (0.0, 1.0) if shape[0] == 1 else (-2.4, 2.6)
        return DataSpec(shape, low, high, self.classes, self.data.table)


@dataclass(frozen=True)
class Method:
    """One way: `learner` makes what is trained, `replay` says what of earlier classes is seen again."""

    about: str
    learner: Callable[[Work], Learner]
    replay: Literal["none", "own", "real"] = "none"
    lr: float = 1e-3

    def made(self, work: Work, seed: int) -> Learner:
        """A learner with fresh weights."""
        with seeded_init(generator(derive(seed, "init"))):
            return self.learner(work)


def _gated(work: Work) -> Learner:
    more: dict[str, Any] = {"channels": CHANNELS, "gate": "softmax", "width": 1024} if work.coloured else {}
    net = GatedConfig(classes=work.classes, **more)
    model = NetEnergy(build_net(net, work.spec.event_shape), work.spec, logits_head=True)
    return LabelContrast(model, work.negative)


def _energy(work: Work) -> Learner:
    seed = int(torch.randint(2**31, (), generator=torch.default_generator))
    learner = build("jem", work.energy.model, work.data.event_shape, seed)
    learner.model.spec = replace(learner.model.spec, table=work.data.table)
    return learner


def _softmax(work: Work) -> JointEnergy:
    """The same widths as a plain classifier; convolutions for colour images without chains."""
    net: AnyNet = MLPConfig(hidden=HIDDEN, activation="relu", classes=work.classes, head="logits")
    if work.protocol == "discriminative" and work.coloured:
        net = ConvConfig(
            channels=CHANNELS, strides=(1, 2, 1, 2), pool="flatten", head_hidden=(1024,),
            activation="relu", classes=work.classes, head="logits",
        )  # fmt: skip
    return JointEnergy(build_net(net, work.spec.event_shape), work.spec)


def _vae(work: Work) -> Learner:
    return VAELearner(NetEnergy(ConditionalVAE(work.spec, HIDDEN, 32), work.spec))


BASELINES: dict[str, Method] = {
    "finetune": Method("softmax, nothing kept", lambda work: Softmax(_softmax(work))),
    "ewc": Method("elastic weight consolidation", lambda work: EWC(_softmax(work), 50.0)),
    "si": Method("synaptic intelligence", lambda work: SI(_softmax(work), 0.1)),
    "lwf": Method("learning without forgetting", lambda work: LwF(_softmax(work))),
}
REPLAY = Method("softmax, sees all images again", lambda work: Softmax(_softmax(work)), "real")
METHODS: dict[str, dict[str, Method]] = {
    "generative": {
        "energy": Method("energy of (x, y)", _energy, "own"),
        **BASELINES,
        "vae": Method("a VAE given y, sees its samples again", _vae, "own"),
        "replay": REPLAY,
    },
    "discriminative": {
        "energy": Method("E(x, y) with gates", _gated, lr=1e-4),
        **BASELINES,
        "replay": REPLAY,
    },
}
"""Those of each protocol, by name."""
PUBLISHED: dict[tuple[str, str], dict[str, str]] = {
    ("generative", "mnist"): {
        "energy": "64.99 ± 4.27", "ewc": "19.80 ± 0.05", "si": "19.67 ± 0.09", "nas": "19.52 ± 0.29",
        "lwf": "24.17 ± 0.33", "vae": "40.04 ± 1.31",
    },
    ("discriminative", "mnist"): {"energy": "53.12"},
    ("discriminative", "cifar10"): {"energy": "38.84"},
}  # fmt: skip
"""In per cent: mean and deviation of 10 seeds (Du and Mordatch 2019, their slides); S. Li et al. 2020."""


def chosen(names: list[str] | None, protocol: str) -> dict[str, Method]:
    """The methods of a protocol, or some by name; raises `UsageError` for unknown ones."""
    offered = METHODS[protocol]
    for name in names or ():
        if name in METHODS["generative"] and name not in offered:
            raise UsageError(f"method '{name}' has no classifier of the {protocol} protocol: leave it out")
        if name not in offered:
            raise unknown("method", name, offered)
    return {name: offered[name] for name in names or offered}


def training(method: Method, work: Work, rows: int, seed: int) -> tuple[TrainConfig, MonitorConfig]:
    """How a task of so many rows is trained."""
    config = work.energy
    if work.protocol == "discriminative":
        size = work.batch_size or 128
        steps = 2000 if work.steps is None else work.steps
        quiet = TrainConfig(sample_every=SEEN, save_every=1_000_000)
        train = replace(quiet, steps=steps, batch_size=size, lr=method.lr, flip=work.coloured, seed=seed)
        return train, MonitorConfig(max_gap=1e6, max_grad=1e9)
    size = min(work.batch_size or config.train.batch_size, rows)
    steps = max(1, work.passes * rows // size)
    train = replace(config.train, steps=steps, batch_size=size, seed=seed, sample_every=SEEN)
    return train, config.monitor


def settings(method: Method, work: Work) -> dict[str, Any]:
    """What a record must agree with to be used again."""
    return {
        "protocol": work.protocol, "negative": work.negative, "steps": work.steps, "passes": work.passes,
        "batch_size": work.batch_size, "energy": to_dict(work.energy.model), "lr": method.lr,
        "again": [CHAINS, AGAIN], "one_adam": work.protocol == "discriminative",
    }  # fmt: skip


@torch.no_grad()
def own_samples(learner: Learner, n: int, classes: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """`n` samples of each of `classes`, in the model's range, and their labels: ends of chains that go on
    from the stored ones, a class at a time and no more at once than are stored, or draws from the decoder.
    """
    y, net = classes.repeat_interleave(n), getattr(learner.model, "net", None)
    if isinstance(net, ConditionalVAE):
        return net.draw(y, rng), y
    stored = learner.samplers()["buffer"]
    parts = [
        learner.model.sample(min(CHAINS, n - first), y=int(c), rng=rng, sampler=stored).x
        for c in classes
        for first in range(0, n, CHAINS)
    ]
    return torch.cat(parts), y
