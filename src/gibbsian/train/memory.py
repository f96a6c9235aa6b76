"""How much memory a run will take, found before it begins by an update of a few rows, and what makes it fit.

    need    = once + rows of a batch * row + stored chains * slot * copies

The tensors of updates of 2 and of 4 rows are followed while they live; `once` and `row` go through the two
peaks. Copies of stored chains are the buffer itself, those kept for rollback, and the one being written.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..core.config import dotted
from ..core.errors import GibbsianError, UsageError
from ..core.random import generator
from ..data.dataset import Dataset
from ..mcmc.engine.memory import told_bytes
from ..models.learner import Learner
from .load import copied, from_run
from .recipes import RunConfig, changed, presets
from .update import Step, Updater

SMALL = 3000
"""Numbers a row below which no machine of today runs short."""
SHARE = 0.8
"""Of the memory that is free a run may take this much."""
BESIDE = 1.6
"""Bytes for a byte of tensors: convolutions lay them out anew, and memory between them is lost. Measured, so
that peaks of igebm, short_run and coopnets at 64 and 128 pixels and of gebm at 64 are met within 1.5."""
KEPT = 4
"""Copies of the state that rollback holds while it takes a new one."""
LEAST = 8
"""Rows of a batch, at least, when it is made smaller."""
GIB = 2**30
BATCH = "train.batch_size"
CAPACITIES = ("start.capacity", "buffer.capacity")
LENGTHS = ("chain.steps", "latent.steps", "ladder.steps", "contrast.steps", "flow.steps")


@dataclass(frozen=True)
class Need:
    """Bytes that a run takes more than the process has: `once`, for a `row` of the batch, for a `slot`."""

    once: float
    row: float
    slot: float

    def bytes(self, config: RunConfig) -> float:
        """The peak of a run."""
        rows = ceil(config.train.batch_size / config.train.accumulate)
        return self.once + rows * self.row + self.stored(config)

    def stored(self, config: RunConfig) -> float:
        """The part of stored chains."""
        return self.slot * (_capacity(config) or 0)


class Followed(TorchDispatchMode):
    """Follows the tensors that are made inside it: `peak` is the most bytes that were alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and note what it made."""
        for given in tree_leaves((args, kwargs)):
            self._note(given, new=False)
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            self._note(made, new=True)
        return out

    def _note(self, value: object, *, new: bool) -> None:
        if not isinstance(value, torch.Tensor) or value.is_sparse:
            return
        storage = value.untyped_storage()
        key, size = id(storage), storage.nbytes() if new else 0
        known = self._alive.get(key)
        if known is not None and known() is storage:
            return

        def gone(ref: weakref.ref[torch.UntypedStorage]) -> None:
            self.now -= size
            if self._alive.get(key) is ref:
                del self._alive[key]

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


def within_memory(
    config: RunConfig,
    data: Dataset,
    net: nn.Module | None,
    device: str,
    notify: Callable[[str], None],
) -> RunConfig:
    """`config` with a batch and a buffer that fit into the memory that is free, if the preset's do not; the
    decision is told, and the need in any case. Small data are not looked at.

    Raises `UsageError` where nothing fits, or what a person set does not.
    """
    if prod(data.event_shape) < SMALL:
        return config
    free, need = told_bytes(torch.device(device)), needed(config, data, net)
    if need is None:
        return config
    fits = config if free is None else _fitting(config, need, SHARE * free)
    smaller = {k: v for k, v in _sizes(fits).items() if v != _sizes(config)[k]}
    of = "" if free is None else f" of {_size(free)} that are free"
    if smaller:
        set_to = " and ".join(f"{k} is {v} instead of {_sizes(config)[k]}" for k, v in smaller.items())
        notify(f"{set_to}, as training would take about {_size(need.bytes(config))}{of}")
    notify(f"training takes about {_size(need.bytes(fits))} of memory{'' if smaller else of}")
    return fits


def needed(config: RunConfig, data: Dataset, net: nn.Module | None = None) -> Need | None:
    """What updates of a few rows take; none where they cannot be tried, as with a network that cannot be
    copied."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            small, large = (_tried(config, data, net, rows) for rows in (2, 4))
    except GibbsianError:
        raise
    except Exception:  # an estimate must not stop a run that might work
        return None
    if small is None or large is None:
        return None
    row = max(0.0, (large.once - small.once) / 2)
    slot = max(0.0, (large.slot - small.slot) / 8)
    copies = 2 + (KEPT if config.monitor.policy == "rollback" else 0)
    weights = small.slot - 8 * slot
    once = BESIDE * max(0.0, small.once - 2 * row)
    return Need(once + weights * 3 * copies, BESIDE * row, slot * copies)


def _tried(config: RunConfig, data: Dataset, net: nn.Module | None, rows: int) -> Need | None:
    """The peak of updates of so many rows, as `once`, and the size of the learner's state, as `slot`."""
    known = dotted(config.to_dict())
    few = {k: min(known[k], 2) for k in LENGTHS if isinstance(known.get(k), int)}
    few |= {k: 4 * rows for k in CAPACITIES if k in known}
    tiny = changed(config, {**few, BATCH: rows, "train.accumulate": 1})
    own = copied(net)
    if net is not None and own is net:
        return None
    learner = from_run(tiny, data.event_shape, own)
    learner.setup(data)
    updater = Updater(learner, tiny.train, lambda metrics: None)
    spec = learner.model.spec
    batch = data.batch(torch.arange(rows) % len(data), spec.low, spec.high)
    with Followed() as followed:
        for step in (0, *learner.milestones()[-1:]):
            updater(batch, Step(step + 1, 0.0, generator(0)))
    return Need(followed.peak, 0.0, _state(learner))


def _state(learner: Learner) -> float:
    return float(sum(t.nbytes for t in learner.state_dict().values()))


def _fitting(config: RunConfig, need: Need, most: float) -> RunConfig:
    """`config`, or one with a smaller batch or buffer, whichever takes more."""
    fits = config
    while need.bytes(fits) > most:
        sizes = _sizes(fits)
        name = next((k for k in CAPACITIES if k in sizes), None)
        batch = sizes[BATCH]
        rows = need.bytes(fits) - need.once - need.stored(fits)
        if name and (need.stored(fits) > rows or batch <= LEAST) and sizes[name] > 4 * batch:
            less = {name: max(sizes[name] // 2, 4 * batch)}
        elif batch > LEAST:
            less = {BATCH: max(batch // 2, LEAST)}
        else:
            raise UsageError(
                f"training takes about {_size(need.bytes(fits))} at the least, and {_size(most)} can "
                "be had: take smaller images (--size), fewer net.channels, or another system"
            )
        fits = changed(fits, less)
    own = [k for k, v in _sizes(fits).items() if v != _sizes(config)[k] and _is_set(config, k)]
    if own:
        raise UsageError(
            f"training takes about {_size(need.bytes(config))}, and {_size(most)} can be had: "
            + ", ".join(f"set {k} to {_sizes(fits)[k]}" for k in own)
        )
    return fits


def _size(count: float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.0f} MiB"


def _sizes(config: RunConfig) -> dict[str, int]:
    """What memory depends on, as far as the system has it."""
    known = dotted(config.to_dict())
    return {k: known[k] for k in (BATCH, *CAPACITIES) if k in known}


def _capacity(config: RunConfig) -> int | None:
    return next((v for k, v in _sizes(config).items() if k != BATCH), None)


def _is_set(config: RunConfig, name: str) -> bool:
    """Whether a person chose another value than the preset's."""
    preset = presets(config.system).get(config.preset)
    plain = None if preset is None else replace(config, model=preset.model, train=preset.train)
    return plain is not None and _sizes(plain).get(name) != _sizes(config)[name]
