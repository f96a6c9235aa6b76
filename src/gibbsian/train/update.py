"""One update of the weights: losses -> gradients -> monitor -> optimiser step.

A learner yields (group, loss), and each yield is one optimiser step on that group. With gradient
accumulation over M micro-batches, M generators run in lockstep: all of them draw their chains before
any writes back, so their draws from a buffer are disjoint, and a round of M yields is one optimiser step on
the mean of the M losses. The only place that calls backward.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..models.learner import Learner
from .optim import clip_moments, clip_norm, grad_norm, make_optimizer
from .settings import TrainConfig

Running = Generator[tuple[str, Loss], None, None]


@dataclass(frozen=True)
class Step:
    """What the update of one step depends on: its number, its learning rate, its stream for chains."""

    number: int
    lr: float
    rng: torch.Generator


class Updater:
    """Makes updates by `learner`; `examine` sees the numbers of a round and may raise before any harm.

    Raises `UsageError` for gradient accumulation with losses that are not means over samples.
    """

    def __init__(
        self, learner: Learner, config: TrainConfig, examine: Callable[[dict[str, float]], None]
    ) -> None:
        if config.accumulate > 1 and not learner.mean_reduced:
            raise UsageError(
                f"train.accumulate is {config.accumulate}, but this loss is no mean over samples, so "
                "micro-batches cannot be averaged: set train.accumulate to 1, or choose a loss that is a mean"
            )
        self.learner, self.config, self.examine = learner, config, examine
        groups = learner.parameter_groups()
        if not (isinstance(groups, dict) and all(isinstance(m, nn.Module) for m in groups.values())):
            remedy = "return modules by name, such as {'energy': self.model.net}"
            raise self._broken("parameter_groups returned", groups, remedy)
        self.optimizers = {name: make_optimizer(module, config) for name, module in groups.items()}

    def __call__(self, batch: Batch, step: Step) -> dict[str, float]:
        """One update from `batch`; returns the numbers to log.

        Networks of your own may draw from torch's global generator: it is seeded from `step.rng` meanwhile.
        """
        if not all(m.training for m in self.learner.modules()):
            self.learner.train()
        with seeded_init(step.rng):
            running = [
                cast(Running, self.learner.losses(part, step.number, step.rng))
                for part in batch.split(self.config.accumulate)
            ]
            if not all(isinstance(losses, Generator) for losses in running):
                raise self._broken("losses returned", running[0], "yield pairs such as 'energy', Loss(value)")
            try:
                return self._rounds(running, step)
            finally:
                for losses in running:
                    losses.close()

    def _rounds(self, running: list[Running], step: Step) -> dict[str, float]:
        logged: dict[str, float] = {}
        while (first := next(running[0], None)) is not None:
            logged |= self._round(first, running[1:], step)
        if any(next(other, None) is not None for other in running[1:]):
            raise RuntimeError("micro-batches of one step yielded different numbers of losses")
        return logged

    def _round(self, first: tuple[str, Loss], others: list[Running], step: Step) -> dict[str, float]:
        if not (isinstance(first, tuple) and first[0] in self.optimizers and isinstance(first[-1], Loss)):
            names = ", ".join(self.optimizers)
            raise self._broken("losses yielded", first, f"yield a group ({names}) and a gibbsian.Loss")
        group, loss = first
        optimizer = self.optimizers[group]
        optimizer.zero_grad(set_to_none=True)
        params = [p for g in optimizer.param_groups for p in g["params"]]
        losses = [self._backward(loss, params)]
        for other in others:
            name, loss = next(other, ("nothing", loss))
            if name != group:
                raise RuntimeError(f"micro-batches of one step disagree: {group} and {name}")
            losses.append(self._backward(loss, params))
        norm = grad_norm(params)
        metrics = _to_floats({**_mean(losses), "grad_norm": norm})
        self.examine(metrics)
        self.learner.transform_gradients(group)
        self._apply(optimizer, params, step.lr * self.learner.lr_multiplier(group, step.number))
        return metrics if len(self.optimizers) == 1 else {_named(k, group): v for k, v in metrics.items()}

    def _broken(self, what: str, found: object, remedy: str) -> UsageError:
        """The error for a learner of others that does not keep its contract."""
        return UsageError(f"{type(self.learner).__name__}.{what} {found!r:.60}: {remedy}")

    def _backward(self, loss: Loss, params: list[Tensor]) -> Loss:
        """Add this micro-batch's share to the gradients, and let go of its graph.

        Those of `params` alone: losses of a gradient by x would otherwise be differentiated by x once more.
        """
        wanted = [p for p in params if p.requires_grad]
        (loss.value / self.config.accumulate).backward(inputs=wanted)
        return Loss(loss.value.detach(), loss.metrics)

    def _apply(self, optimizer: torch.optim.Optimizer, params: list[Tensor], lr: float) -> None:
        if self.config.clip_moments:
            clip_moments(optimizer)
        if self.config.clip_norm:
            clip_norm(params, grad_norm(params), self.config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()


def _named(key: str, group: str) -> str:
    """With several groups, each has a loss and a gradient norm of its own in the log."""
    return f"{group}_{key}" if key in ("loss", "grad_norm") else key


def _mean(losses: list[Loss]) -> dict[str, Tensor]:
    keys = [k for k in losses[0].metrics if all(k in loss.metrics for loss in losses)]
    return {
        "loss": torch.stack([loss.value for loss in losses]).mean(),
        **{k: torch.stack([loss.metrics[k].detach().float() for loss in losses]).mean() for k in keys},
    }


def _to_floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """All numbers in one transfer from the device."""
    device = metrics["loss"].device
    values = torch.stack([v.detach().float().reshape(()).to(device) for v in metrics.values()]).tolist()
    return dict(zip(metrics, values, strict=True))
