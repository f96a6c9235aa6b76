"""The training loop: update -> log -> look -> validate -> save, until done, out of time or interrupted.

N + N updates equal 2N bit for bit on a CPU: a checkpoint holds weights, averages, optimisers, replay
buffer, every random stream, the place in the data and in the recipe, and the length of the log. Longer than
other files, because the loop, its events and its state read best together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from tqdm import tqdm

from ..core.config import step_counted
from ..core.errors import (
    CheckpointError,
    DataError,
    DivergedError,
    GibbsianError,
    Interrupted,
    UsageError,
    out_of_memory,
)
from ..core.pace import Pace
from ..core.random import Streams, derive, generator
from ..core.records import Batch
from ..data.batches import Batches
from ..data.dataset import Dataset
from ..mcmc.engine.engine import ENGINE
from ..models.folder import require_match
from ..models.labels import keep_conditions
from ..models.learner import Learner
from ..models.model import EnergyModel, device_of
from ..models.precisions import chosen
from ..models.sampler import RunOptions
from . import checkpoint
from .average import Average
from .budget import SOONEST, Budget
from .folder import RunFolder
from .monitor import Monitor, scale_of
from .optim import lr_factor
from .schedule import TrainingSchedule
from .settings import MonitorConfig, TrainConfig
from .signals import Signals
from .update import Step, Updater

Observer = Callable[["Trainer"], None]
Validator = Callable[[EnergyModel, torch.Generator], float]
LOOP = ("step", "total", "lr_multiplier", "rollbacks", "best", "metrics")


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
    """Fits the model of one learner to one data set.

    Args:
        folder: run folder for logs and checkpoints; without one, nothing is written and rollback keeps its
            checkpoints in memory.
        observers: called with the trainer every `sample_every` updates, with averaged weights in place.
        validate: a measure, lower is better, taken every `validate_every` updates; the best is kept.
        notify: where one-line messages go.
        given: settings that a person gave, which a budget of time leaves alone (see `TrainingSchedule`).
    """

    def __init__(
        self,
        learner: Learner,
        data: Dataset,
        config: TrainConfig,
        monitor: MonitorConfig | None = None,
        *,
        folder: RunFolder | None = None,
        observers: Sequence[Observer] = (),
        validate: Validator | None = None,
        notify: Callable[[str], None] = lambda text: None,
        given: Collection[str] = (),
    ) -> None:
        self.learner, self.data, self.config, self.folder = learner, data, config, folder
        self.observers, self.validate, self.notify = observers, validate, notify
        self.device = device_of(learner)
        self.monitor = Monitor(monitor or MonitorConfig(), scale_of(data, *self.pixel_range()))
        self.streams = Streams(config.seed, device=self.device)
        spec = self.model.spec
        self.batches = Batches(data, config.batch_size, self.streams.data, flip=config.flip, spec=spec)
        self.updater = Updater(learner, config, self._examine)
        self.average = Average(learner.parameter_groups(), config.average)
        self.step, self.total, self.lr_multiplier, self.rollbacks = 0, config.steps, 1.0, 0
        self.schedule = TrainingSchedule(learner, config, given)
        self.best: float | None = None
        self.compiled_from: int | None = None
        self._blocks = ENGINE.blocks
        self.last_batch: Batch | None = None
        self.metrics: dict[str, float] = {}
        self._memory: list[checkpoint.Tree] = []
        self._pace: Pace | None = None
        keep_conditions(self.model, data.cond)
        learner.options = RunOptions(
            "fp32" if config.precision == "auto" else config.precision, config.compile
        )
        learner.setup(data)
        precision = chosen(self.model, config.precision, config.batch_size)
        if config.precision == "auto":
            notify(f"precision {precision.precision}: {precision.why}")
        self.config = replace(config, precision=precision.precision)
        learner.options = replace(learner.options, precision=precision.precision)

    @property
    def model(self) -> EnergyModel:
        """The model that is trained."""
        return self.learner.model

    def update(self) -> dict[str, float]:
        """One step of training; raises `DivergedError` before weights or buffer take harm."""
        batch = self.batches.next(*self.pixel_range()).to(self.device)
        step = Step(self.step, self.lr, self.streams.chain)
        self.learner.recipe_step = (
            None if self.schedule.position == self.step else int(self.schedule.position)
        )
        logged = self.updater(batch, step)
        self.average.update()
        self.schedule.advance(self.step, self.total)
        self.step += 1
        self.last_batch, self.metrics = batch, {**logged, "lr": step.lr}
        return logged

    @property
    def lr(self) -> float:
        """Learning rate of the next update."""
        place, whole = self.schedule.position, self.schedule.whole
        warm = self.step if "train.warmup" in self.schedule.given else place
        return self.config.lr * self.lr_multiplier * lr_factor(place, whole, self.config, warm)

    def pixel_range(self) -> tuple[float, float]:
        """Values of black and white pixels in this model."""
        return self.model.spec.low, self.model.spec.high

    def averaged(self) -> AbstractContextManager[None]:
        """A context in which the model carries its averaged weights, if averaging is on."""
        return self.average.applied() if self.config.average else nullcontext()

    # -- the loop -----------------------------------------------------------------------------------

    def fit(
        self, steps: int | None = None, *, minutes: float | None = None, progress: bool = True
    ) -> Outcome:
        """Train until `steps` updates in all (default: the config's), or for a budget of `minutes`.

        Raises:
            DivergedError: policy "stop", or "rollback" after its last try.
            Interrupted: Ctrl-C or SIGTERM, after saving. DataError: a broken file, after saving.
        """
        if steps is not None and steps < 0:
            raise UsageError(f"steps is {steps}: it must be 0 or more")
        if self.step == 0 or steps is not None:
            self.total = self.config.steps if steps is None else steps
        if steps is None and minutes is not None:
            self.total = max(self.total, self.step + SOONEST + 1)  # time to learn the pace
        elif steps is not None and self.schedule.position == self.step:
            self.schedule.whole = float(steps)
        budget = Budget(minutes, self.step)
        self.schedule.begin(self.step, self.total)
        with Signals() as signals, self._bar(progress, minutes) as bar:
            try:
                cap = self.total if steps is not None else None
                budget.milestones, budget.costs = self.schedule.marks, self._costs(minutes)
                if budget.costs:
                    seconds = budget.costs[self.schedule.part]
                    possible = budget.reach(self.step, self.schedule.position, self.schedule.whole, seconds)
                    self._end_at(min(possible, cap or possible), bar, budget)
                self._loop(signals, bar, budget, cap)
            except DataError as error:
                raise DataError(f"{error}; at step {self.step}: {self._stop()}") from error
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                size = self.config.batch_size
                hint = f"lower train.batch_size, which is {size}, the capacity of the buffer or net.channels"
                raise GibbsianError(f"out of memory at step {self.step}: {hint}; {self._stop()}") from error
        self._finish("done")
        if missed := self.schedule.missed:
            names = [f"--{name}" for name in step_counted(self.learner.config)]
            self.notify(
                f"ended after {self.step} updates, before the part of training that begins at {missed[0]}: "
                f"give more --steps or --minutes{', or lower '.join(['', *names])}"
            )
        return Outcome(self.step, budget.seconds, self.rollbacks, self.metrics, self.best, "done")

    def _loop(self, signals: Signals, bar: tqdm[Any], budget: Budget, cap: int | None) -> None:
        self._remember()
        while self.step < self.total and (budget.left > 0 or self.schedule.owed(budget)):
            begun = self.schedule.part
            try:
                self.update()
            except DivergedError as error:
                self._recover(error)
                bar.n = self.step
                budget.restart(self.step)
            else:
                self._after_update(bar)
                if self.schedule.part > begun:
                    self._remember()  # a fault of the new part should not cost the one before
            if signals.received:
                self._interrupt(signals.name)
            possible = budget.estimate(self.step, self.schedule.position, self.schedule.whole)
            if possible is not None:
                self._end_at(min(possible, cap or possible), bar, budget)

    def _end_at(self, total: int, bar: tqdm[Any], budget: Budget) -> None:
        """Take `total` updates as the end, and say so when it is news."""
        self.total, said = self.schedule.ending(self.step, total, budget)
        bar.total = self.total
        if said:
            self.notify(said)

    def _costs(self, minutes: float | None) -> list[float]:
        """Seconds of an update in each part of the recipe, tried out on a copy of now; none where parts are
        not to be planned."""
        marks = self.schedule.marks
        if minutes is None or not marks or not self.schedule.stretches:
            return []
        kept, examine = checkpoint.snapshot(self.state_dict()), self.updater.examine
        try:
            self.updater.examine = lambda metrics: None
            batch = self.batches.next(*self.pixel_range()).to(self.device)
            return [self._cost(part, batch, 0.6 * minutes) for part in (0, *marks)]
        finally:
            self.updater.examine = examine
            self.load_state_dict(kept)

    def _cost(self, part: int, batch: Batch, most: float) -> float:
        """Seconds of an update at a place in the recipe, the least of three tries if they fit into `most`."""
        self.learner.recipe_step, tries = part, list[float]()
        while len(tries) < 3 and sum(tries) < most:
            begun = time.monotonic()
            self.updater(batch, Step(part, 0.0, self.streams.chain))
            tries.append(time.monotonic() - begun)
        return min(tries)

    def _after_update(self, bar: tqdm[Any]) -> None:
        config, last = self.config, self.step == self.total
        bar.update(1)
        if self.compiled_from is None and ENGINE.blocks > self._blocks:
            self.compiled_from = self.step
            self._log({"event": "compiled"})
        if self.step % config.log_every == 0 or last:
            bar.set_postfix_str(self._brief())
            self._log({**self.metrics, "rollbacks": self.rollbacks})
        if self._pace is not None and bar.disable:
            self._pace(self.step, self.total, self._brief())
        if config.sample_every and (self.step % config.sample_every == 0 or last):
            self._observe()
        if self.validate and config.validate_every and self.step % config.validate_every == 0:
            self._validate(self.validate)
        if self.step % config.save_every == 0 and self.monitor.quiet:
            self.save()

    def _brief(self) -> str:
        return f"gap {self.metrics['energy_gap']:+.3f}" if "energy_gap" in self.metrics else ""

    def _log(self, numbers: dict[str, object]) -> None:
        if self.folder:
            self.folder.log({"step": self.step, **numbers})

    def _observe(self) -> None:
        if self.observers:
            with self.averaged():
                for observer in self.observers:
                    observer(self)

    def _validate(self, validate: Validator) -> None:
        rng = generator(derive(self.config.seed, "validate"), self.device)
        with self.averaged():
            value = float(validate(self.model, rng))
        self._log({"validation": value})
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best = value
            if self.folder:
                checkpoint.save(self.state_dict(), self.folder.best)

    def _bar(self, progress: bool, minutes: float | None) -> tqdm[Any]:
        # Where no terminal watches (notebooks, queued jobs) a line now and then takes the place of the bar.
        most = 60 * minutes if minutes else math.inf
        self._pace = Pace("train", "update", self.notify, self.step, most) if progress else None
        disable = None if progress else True
        return tqdm(total=self.total, initial=self.step, desc="train", unit="update", disable=disable)

    def _finish(self, state: str) -> None:
        if self.folder:
            self.save()
            self.folder.draw(always=True)
            self.folder.update_record(
                state=state,
                step=self.step,
                rollbacks=self.rollbacks,
                best=self.best,
                compiled_from=self.compiled_from,
                plan=self.schedule.record(),
            )

    def _interrupt(self, name: str) -> None:
        raise Interrupted(f"{name} at step {self.step}: {self._stop()}")

    def _stop(self) -> str:
        """Save the state, where there is a folder for it, and say how to go on."""
        if not self.folder:
            return "nothing saved: give out= a folder for checkpoints"
        self._finish("stopped")
        return f"state saved in {self.folder.path}; go on with --resume auto"

    # -- divergence ---------------------------------------------------------------------------------

    def _examine(self, metrics: dict[str, float]) -> None:
        reason = self.monitor.check(metrics)
        if reason:
            raise DivergedError(f"diverged at step {self.step}: {reason}")

    def _recover(self, error: DivergedError) -> None:
        config = self.monitor.config
        if config.policy == "rollback" and self.rollbacks < config.max_rollbacks:
            return self._roll_back(str(error))
        tried = f" (after {self.rollbacks} rollbacks)" if self.rollbacks else ""
        if self.folder:
            self._log({"event": "diverged", "reason": str(error)})
            self.folder.draw(always=True)
            self.folder.update_record(state="diverged", step=self.step, rollbacks=self.rollbacks)
        raise DivergedError(f"{error}{tried}")

    def _roll_back(self, reason: str) -> None:
        """Back to the last good state, or to the one before if nothing good has come since."""
        made, failed = self.rollbacks + 1, self.step
        scale = self.lr_multiplier * self.monitor.config.lr_factor
        best = self.best  # its checkpoint stays
        tree = self._memory.pop() if len(self._memory) > 1 else self._memory[-1]
        self.load_state_dict(checkpoint.snapshot(tree))
        self.rollbacks, self.lr_multiplier, self.best = made, scale, best
        self.streams.load_state_dict(
            Streams(derive(self.config.seed, f"rollback-{made}"), device=self.device).state_dict()
        )
        self.monitor.reset()
        self.notify(f"{reason}; rolled back to step {self.step}, learning rate x {scale:g}")
        self._log({"event": "rollback", "failed_at": failed, "reason": reason, "lr_multiplier": scale})
        if self.folder:
            self.folder.forget_checkpoints_after(self.step)
            self._write()

    def _remember(self) -> None:
        """Keep the last three good states for rollback."""
        if self.monitor.config.policy == "rollback":
            self._memory = [*self._memory, checkpoint.snapshot(self.state_dict())][-3:]

    # -- state --------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint of now, and remember it for rollback."""
        self._remember()
        self._write()

    def _write(self) -> None:
        if self.folder:
            self.folder.save(self.state_dict(), self.step, self.config.keep)
            self.folder.draw()

    def state_dict(self) -> checkpoint.Tree:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.learner.state_dict(),
            "claims": {"temperature": self.model.temperature, "density": self.model.claims_density},
            "average": self.average.state_dict(),
            "optimizer": {k: checkpoint.optimizer_tree(o) for k, o in self.updater.optimizers.items()},
            "streams": self.streams.state_dict(),
            "batches": self.batches.state_dict(),
            "monitor": self.monitor.state_dict(),
            "data": {"fingerprint": self.data.fingerprint},
            "loop": {k: getattr(self, k) for k in LOOP},
            "schedule": self.schedule.state_dict(),
            "log": {"lines": self.folder.logged if self.folder else 0},
        }

    def load_state_dict(self, tree: checkpoint.Tree, where: str = "this state") -> None:
        """Go on from `state_dict()`.

        Raises `CheckpointError` for a state of other data, another learner or another network.
        """
        try:
            if tree["data"]["fingerprint"] != self.data.fingerprint:
                raise CheckpointError(
                    f"{where} was trained on other data than this {self.data.name}: resume with the same set"
                )
            require_match(self.learner.state_dict(), tree["model"], where)
            self.learner.load_state_dict(tree["model"])
            self.model.claims_density = bool(tree["claims"]["density"])
            begins = self.average.load_state_dict(tree["average"])
            for name, optimizer in self.updater.optimizers.items():
                checkpoint.load_optimizer(optimizer, tree["optimizer"][name])
            self.streams.load_state_dict(tree["streams"])
            self.batches.load_state_dict(tree["batches"])
            self.monitor.load_state_dict(tree["monitor"])
            for key in LOOP:
                setattr(self, key, tree["loop"][key])
            self.schedule.load_state_dict(tree.get("schedule", {}), self.step, self.total)
            if begins:
                self.notify(f"averages begin at the weights of step {self.step}")
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"{where} is of another system or configuration: {reason}") from error
