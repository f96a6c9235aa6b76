"""The training loop: batch -> losses -> monitor -> update -> log -> checkpoint.

A system yields (group, loss) and the trainer makes one optimiser step a yield. With gradient
accumulation, M generators run in lockstep over the micro-batches of one step. N + N updates equal 2N
bit for bit on a CPU: a checkpoint holds weights, averages, optimisers, replay buffer, every random
stream and the place in the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from ..core.errors import DivergedError, Interrupted, UsageError
from ..core.random import Streams, derive, generator, seeded_init
from ..core.records import Batch, Loss
from ..data.batches import Batches
from ..data.dataset import Dataset
from ..recipes.train import MonitorConfig, TrainConfig
from ..systems.base import System
from . import checkpoint
from .average import Average
from .folder import RunFolder
from .monitor import Monitor
from .optim import clip_moments, clip_norm, grad_norm, lr_factor, make_optimizer
from .signals import Signals

Observer = Callable[["Trainer"], None]
Validator = Callable[[System, torch.Generator], float]


@dataclass(frozen=True)
class Outcome:
    """How training ended: updates made, seconds, rollbacks, last metrics, best validation value."""

    step: int
    seconds: float
    rollbacks: int
    metrics: dict[str, float]
    best: float | None
    state: str


class Trainer:
    """Fits one system to one data set.

    Args:
        folder: run folder for logs and checkpoints; without one, nothing is written and rollback keeps its
            checkpoints in memory.
        observers: called with the trainer every `sample_every` updates, with averaged weights in place.
        validate: a measure, lower is better, taken every `validate_every` updates; the best checkpoint is kept.
        notify: where one-line messages go.
    """

    def __init__(
        self, system: System, data: Dataset, config: TrainConfig, monitor: MonitorConfig | None = None, *,
        folder: RunFolder | None = None, observers: Sequence[Observer] = (), validate: Validator | None = None,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.system, self.data, self.config, self.folder = system, data, config, folder
        self.observers, self.validate, self.notify = observers, validate, notify
        self.monitor = Monitor(monitor or MonitorConfig(), config.batch_size)
        self.streams = Streams(config.seed)
        self.batches = Batches(data, config.batch_size, self.streams.data, flip=config.flip)
        self.optimizers = {name: make_optimizer(module, config) for name, module in system.groups().items()}
        self.average = Average(system.groups(), config.average)
        self.step, self.total, self.lr_scale, self.rollbacks = 0, config.steps, 1.0, 0
        self.best: float | None = None
        self.last_batch: Batch | None = None
        self.metrics: dict[str, float] = {}
        self._memory: list[checkpoint.Tree] = []
        system.precision = config.precision

    # -- one update ---------------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """One step of training; raises `DivergedError` before weights or buffer take harm."""
        batch = self._batch()
        self.system.train()
        with seeded_init(self.streams.chain):
            logged = self._rounds(batch)
        if self.config.average:
            self.average.update()
        self.step += 1
        self.last_batch, self.metrics = batch, logged
        return logged

    def _rounds(self, batch: Batch) -> dict[str, float]:
        parts = batch.split(self.config.accumulate)
        running = [self.system.losses(part, self.step, self.streams.chain) for part in parts]
        logged: dict[str, float] = {}
        try:
            while (first := next(running[0], None)) is not None:
                logged |= self._round(first, running)
            for other in running[1:]:
                if next(other, None) is not None:
                    raise RuntimeError("micro-batches of one step yielded different numbers of losses")
        finally:
            for generator_ in running:
                generator_.close()  # type: ignore[attr-defined]
        return logged

    def _round(self, first: tuple[str, Loss], running: list[Iterator[tuple[str, Loss]]]) -> dict[str, float]:
        group, loss = first
        optimizer = self.optimizers[group]
        optimizer.zero_grad(set_to_none=True)
        losses = [self._backward(loss)]
        for other in running[1:]:
            name, loss = next(other)
            if name != group:
                raise RuntimeError(f"micro-batches of one step disagree: {group} and {name}")
            losses.append(self._backward(loss))
        params = [p for g in optimizer.param_groups for p in g["params"]]
        norm = grad_norm(params)
        metrics = _to_floats({**_mean(losses), "grad_norm": norm})
        self._examine(metrics)
        self._apply(optimizer, params, norm)
        return metrics

    def _backward(self, loss: Loss) -> Loss:
        (loss.value / self.config.accumulate).backward()
        return Loss(loss.value.detach(), loss.metrics)

    def _examine(self, metrics: dict[str, float]) -> None:
        reason = self.monitor.check(metrics)
        if reason:
            raise DivergedError(f"diverged at step {self.step}: {reason}")

    def _apply(self, optimizer: torch.optim.Optimizer, params: list[Tensor], norm: Tensor) -> None:
        if self.config.clip_moments:
            clip_moments(optimizer)
        if self.config.clip_norm:
            clip_norm(params, norm, self.config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = self.config.lr * self.lr_scale * lr_factor(self.step, self.total, self.config)
        optimizer.step()

    def _batch(self) -> Batch:
        low, high = self.pixel_range()
        return self.batches.next(low, high)

    def pixel_range(self) -> tuple[float, float]:
        """Values of black and white pixels in this system."""
        return self.system.config.pixels.low, self.system.config.pixels.high

    # -- the loop -----------------------------------------------------------------------------------

    def fit(self, steps: int | None = None, *, minutes: float | None = None, progress: bool = True) -> Outcome:
        """Train until `steps` updates in all (default: the config's), or for a budget of `minutes`.

        Raises:
            DivergedError: policy "stop", or "rollback" after its last try.
            Interrupted: Ctrl-C or SIGTERM, after saving.
        """
        if self.step == 0 or steps is not None:
            self.total = self.config.steps if steps is None else steps
        begun = time.monotonic()
        with Signals() as signals, self._bar(progress) as bar:
            state = self._loop(signals, bar, begun, minutes, capped=steps is not None)
        self._finish(state)
        return Outcome(self.step, time.monotonic() - begun, self.rollbacks, self.metrics, self.best, state)

    def _loop(
        self, signals: Signals, bar: tqdm[None], begun: float, minutes: float | None, capped: bool
    ) -> str:
        self._remember()
        first = self.step
        while self.step < self.total:
            try:
                self.update()
            except DivergedError as error:
                self._recover(error)
                bar.n = self.step
                continue
            self._after_update(bar)
            if signals.received:
                self._interrupt(signals.name)
            if minutes is not None and self._budget(begun, first, minutes, capped, bar):
                return "stopped"
        return "done"

    def _budget(self, begun: float, first: int, minutes: float, capped: bool, bar: tqdm[None]) -> bool:
        """Fit the number of updates to the budget after a few; true when the time is over."""
        made, spent = self.step - first, time.monotonic() - begun
        if made == 10:
            possible = first + max(int(made / spent * minutes * 60), 11)
            self.total = min(self.total, possible) if capped else possible
            bar.total = self.total
            rate = made / spent
            self.notify(f"budget of {minutes:g} min at {rate:.1f} updates/s: {self.total} updates planned")
        return spent > 60 * minutes

    def _after_update(self, bar: tqdm[None]) -> None:
        config = self.config
        bar.update(1)
        if self.step % config.log_every == 0 or self.step == self.total:
            bar.set_postfix(gap=f"{self.metrics['energy_gap']:+.3f}" if "energy_gap" in self.metrics else "")
            self._log()
        if config.sample_every and (self.step % config.sample_every == 0 or self.step == self.total):
            self._observe()
        if self.validate and config.validate_every and self.step % config.validate_every == 0:
            self._validate()
        if self.step % config.save_every == 0:
            self.save()

    def _log(self) -> None:
        if self.folder:
            lr = next(iter(self.optimizers.values())).param_groups[0]["lr"]
            self.folder.log({"step": self.step, **self.metrics, "lr": lr, "rollbacks": self.rollbacks})

    def _observe(self) -> None:
        if not self.observers:
            return
        with self.averaged():
            for observer in self.observers:
                observer(self)

    def _validate(self) -> None:
        assert self.validate is not None
        rng = generator(derive(self.config.seed, "validate"), self.streams.eval.device)
        with self.averaged():
            value = self.validate(self.system, rng)
        if self.folder:
            self.folder.log({"step": self.step, "validation": value})
        if self.best is None or value < self.best:
            self.best = value
            if self.folder:
                checkpoint.save(self.state_dict(), self.folder.checkpoints / "best")

    def averaged(self):  # noqa: ANN201
        """A context in which the model carries its averaged weights, if averaging is on."""
        from contextlib import nullcontext

        return self.average.applied() if self.config.average else nullcontext()

    def _bar(self, progress: bool) -> tqdm[None]:
        disable = None if progress else True
        return tqdm(total=self.total, initial=self.step, desc="train", unit="update", disable=disable)

    def _finish(self, state: str) -> None:
        if self.folder:
            self.save()
            self.folder.update_record(state=state, step=self.step, rollbacks=self.rollbacks, best=self.best)

    def _interrupt(self, name: str) -> None:
        where = "nothing saved: no run folder"
        if self.folder:
            self._finish("stopped")
            where = f"state saved in {self.folder.path}; go on with --resume auto"
        raise Interrupted(f"{name} at step {self.step}: {where}")

    # -- divergence ---------------------------------------------------------------------------------

    def _recover(self, error: DivergedError) -> None:
        config = self.monitor.config
        if config.policy == "stop" or self.rollbacks >= config.max_rollbacks:
            tried = f" after {self.rollbacks} rollbacks" if self.rollbacks else ""
            if self.folder:
                self.folder.update_record(state="diverged", step=self.step, rollbacks=self.rollbacks)
                self.folder.log({"step": self.step, "event": "diverged", "reason": str(error)})
            raise DivergedError(f"{error}{tried}")
        self._roll_back(str(error))

    def _roll_back(self, reason: str) -> None:
        made, scale, failed = self.rollbacks + 1, self.lr_scale * self.monitor.config.lr_factor, self.step
        tree = self._memory.pop() if len(self._memory) > 1 else self._memory[-1]
        self.load_state_dict(checkpoint.snapshot(tree))
        self.rollbacks, self.lr_scale = made, scale
        fresh = Streams(derive(self.config.seed, f"rollback-{made}"))
        for name, state in fresh.state_dict().items():
            getattr(self.streams, name).set_state(state)
        self.monitor.reset()
        self.notify(f"{reason}; rolled back to step {self.step}, learning rate x {scale:g}")
        if self.folder:
            event = {"event": "rollback", "failed_at": failed, "reason": reason}
            self.folder.log({"step": self.step, **event, "lr_scale": scale})

    def _remember(self) -> None:
        """Keep the last three good states for rollback."""
        if self.monitor.config.policy == "rollback":
            self._memory = [*self._memory, checkpoint.snapshot(self.state_dict())][-3:]

    # -- state --------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint of now, and remember it for rollback."""
        self._remember()
        if self.folder:
            self.folder.save(self.state_dict(), self.step, self.config.keep)

    def state_dict(self) -> checkpoint.Tree:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.system.state_dict(), "average": self.average.state_dict(),
            "optimizer": {k: checkpoint.optimizer_tree(o) for k, o in self.optimizers.items()},
            "streams": self.streams.state_dict(), "batches": self.batches.state_dict(),
            "monitor": self.monitor.state_dict(), "data": {"fingerprint": self.data.fingerprint},
            "loop": {
                "step": self.step, "total": self.total, "lr_scale": self.lr_scale,
                "rollbacks": self.rollbacks, "best": self.best, "metrics": self.metrics,
            },
        }

    def load_state_dict(self, tree: checkpoint.Tree) -> None:
        """Go on from `state_dict()`; raises `UsageError` for a checkpoint of another data set."""
        if tree["data"]["fingerprint"] != self.data.fingerprint:
            raise UsageError("this checkpoint was trained on other data: resume with the same data set")
        self.system.load_state_dict(tree["model"])
        self.average.load_state_dict(tree["average"])
        for name, optimizer in self.optimizers.items():
            checkpoint.load_optimizer(optimizer, tree["optimizer"][name])
        self.streams.load_state_dict(tree["streams"])
        self.batches.load_state_dict(tree["batches"])
        self.monitor.load_state_dict(tree["monitor"])
        for key in ("step", "total", "lr_scale", "rollbacks", "best", "metrics"):
            setattr(self, key, tree["loop"][key])


def _mean(losses: list[Loss]) -> dict[str, Tensor]:
    keys = losses[0].metrics
    return {
        "loss": torch.stack([loss.value for loss in losses]).mean(),
        **{k: torch.stack([loss.metrics[k].detach().float() for loss in losses]).mean() for k in keys},
    }


def _to_floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """All numbers in one transfer from the device."""
    values = torch.stack([v.detach().float().reshape(()) for v in metrics.values()]).tolist()
    return dict(zip(metrics, values, strict=True))
