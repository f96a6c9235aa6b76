"""`gibbsian.continual`: classes that come in sequence, how well each task is known after each, seed by seed.

    a_ij    share of held-out rows of task j told rightly after task i: argmin of E(x, y), classes seen

Every method is a learner that the library's trainer trains on one task after another. Each seed that has
finished is a file, so that an interrupted comparison goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

import torch
from torch import Tensor

from ...core.errors import DivergedError, Interrupted, UsageError, require_some, unknown
from ...core.files import own_path
from ...core.random import derive, generator
from ...data.dataset import Dataset
from ...data.own import Given
from ...models.learner import Learner
from ...models.model import EnergyModel
from ...nets.frozen import frozen
from ...train.trainer import Trainer
from ..parts import name_of, train_and_held
from ..progress import Advance, Bars, no_bars
from .learners import InSequence
from .methods import AGAIN, Method, Negative, Protocol, Work, chosen, own_samples, settings, training
from .records import store, stored
from .report import Continual, Run
from .split import Task, in_tasks, with_rows, with_samples

CHUNK = 1000
Optimizers: TypeAlias = dict[str, torch.optim.Optimizer]


def continual(
    data: Given = "mnist",
    *,
    protocol: Protocol = "generative",
    methods: Sequence[str] | None = None,
    seeds: int = 10,
    tasks: int | None = None,
    negative: Negative = "current",
    steps: int | None = None,
    passes: int = 1,
    batch_size: int | None = None,
    rows: int | None = None,
    held: Given | None = None,
    validation: int | None = None,
    out: Path | str | None = None,
    data_dir: str | Path | None = None,
    bars: Bars = no_bars,
) -> Continual:
    """Learn the classes of `data` a task at a time, by several methods and seeds, and measure what is kept.

    Args:
        data: anything with labels that `gibbsian.dataset` takes.
        protocol: "generative", every row of a task seen once and earlier classes only as samples of the
            model, or "discriminative", a classifier E(x, y) of many updates a task. They do not compare.
        methods: some of energy, finetune, ewc, si, lwf, vae (generative only) and replay; all by default.
        seeds: how many, from 0; of weights, batches and chains. The order of the classes is that of the data.
        tasks: in how many parts the classes come; by default in pairs.
        negative: the discriminative energy's negative label, of the "current" task or "all" labels at once.
        steps: updates a task of the discriminative protocol, 2,000 by default.
        passes: over the rows of a task, 1 in the generative protocol; more are told of.
        batch_size: rows of an update; 64 and 128 in the two protocols.
        rows: training rows of a task at most, for a quick look.
        held: rows to judge by; the test part of `data` by default.
        validation: judge by so many training rows, set aside, in place of test rows: for tuning.
        out: folder for a record of each seed; those that are there and agree are not run again.
        bars: opens a progress bar, see `tasks.progress`.

    Raises:
        UsageError: unknown names, more tasks than classes, a task without a class for negatives.
        DataError: data without labels, or of one class.
        DivergedError: an energy that left the finite world. Interrupted: Ctrl-C; what was finished is kept.
    """
    if protocol not in get_args(Protocol):
        raise unknown("protocol", protocol, get_args(Protocol))
    if negative not in get_args(Negative):
        raise unknown("negative", negative, get_args(Negative))
    require_some({"seeds": seeds, "passes": passes, "batch_size": batch_size, "steps": steps})
    _require_of_protocol(protocol, negative, steps, passes)
    ways = chosen(None if methods is None else list(methods), protocol)
    against = "validation" if validation else "test"
    train, judged = train_and_held(data, held, against=against, validation=validation, data_dir=data_dir)
    parts = in_tasks(train, judged, tasks, rows)
    if protocol == "discriminative" and negative == "current" and any(len(t.classes) < 2 for t in parts):
        raise UsageError(
            f"tasks is {len(parts)}, so that one has a single class, and a negative label is another class "
            "of its task: choose fewer tasks, or negative 'all'"
        )
    work = Work(train, protocol, negative, steps, passes, batch_size)
    folder = None if out is None else own_path(out) / "seeds"
    about = {"data": train.fingerprint, "judged": judged.fingerprint, "tasks": len(parts), "rows": rows}
    runs = _all(ways, work, parts, seeds, folder, about, bars)
    named = [[train.classes[int(c)] for c in t.classes] for t in parts]
    note = f"{against} rows" if held is None else "the rows given"
    return Continual(name_of(data), work.protocol, named, len(judged), note, runs, _notes(work, rows))


def _require_of_protocol(protocol: str, negative: str, steps: int | None, passes: int) -> None:
    """Settings that only the other protocol has are refused."""
    if protocol == "generative" and (steps is not None or negative != "current"):
        word = f"steps is {steps}" if steps is not None else f"negative is '{negative}'"
        raise UsageError(f"{word}, of the discriminative protocol: leave it out, or choose that protocol")
    if protocol == "discriminative" and passes != 1:
        raise UsageError(f"passes is {passes}, of the generative protocol: give steps, the updates of a task")


def _notes(work: Work, rows: int | None) -> tuple[str, ...]:
    """What differs from the protocols as published."""
    told = list(work.data.notes)
    if work.passes > 1:
        told.append(f"{work.passes} passes over each task: the published protocol is a single one")
    if rows is not None:
        told.append(f"at most {rows} training rows a task: the published protocols take all")
    if work.negative == "all":
        told.append(
            "negative labels are all classes: no longer the published method, whose mechanism this shows"
        )
    return tuple(told)


def _all(
    ways: dict[str, Method],
    work: Work,
    parts: list[Task],
    seeds: int,
    folder: Path | None,
    about: dict[str, Any],
    bars: Bars,
) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {name: [] for name in ways}
    total, done = len(ways) * seeds * len(parts), 0
    with bars("tasks learnt", "task") as advance:
        for name, method in ways.items():
            for seed in range(seeds):
                file = None if folder is None else folder / f"{work.protocol}-{name}-{seed}.json"
                wanted = {"method": name, "seed": seed, **about, "settings": settings(method, work)}
                run = stored(file, wanted)
                if run is None:
                    told = _Told(advance, done, total, f"{name}, seed {seed}")
                    run = _kept(name, method, work, parts, seed, told, folder)
                    store(file, wanted, run)
                found[name].append(run)
                done += len(parts)
    return found


class _Told:
    """Tells a bar which task of which seed is being learnt."""

    def __init__(self, advance: Advance, first: int, total: int, what: str) -> None:
        self.advance, self.first, self.total, self.what = advance, first, total, what

    def __call__(self, task: int, step: int, steps: int) -> None:
        self.advance(self.first + task, self.total, f"{self.what}, task {task + 1}: {step} of {steps}")


def _kept(
    name: str, method: Method, work: Work, parts: list[Task], seed: int, told: _Told, folder: Path | None
) -> Run:
    """One seed; where it is interrupted or diverges, a line that says what of the others is there."""
    there = "nothing is kept without a folder" if folder is None else f"finished seeds are in {folder}"
    try:
        return learn(method, work, parts, seed, told)
    except (Interrupted, KeyboardInterrupt) as error:
        go_on = "" if folder is None else "; the same command goes on"
        raise Interrupted(f"interrupted in {name}, seed {seed}: {there}{go_on}") from error
    except DivergedError as error:
        raise DivergedError(f"{name}, seed {seed}: {error}; {there}") from error


def learn(method: Method, work: Work, parts: list[Task], seed: int, told: _Told) -> Run:
    """One method with one seed through all tasks."""
    began, learner = time.process_time(), method.made(work, seed)
    model, accuracy = learner.model, []
    moments: Optimizers = {}
    for i, task in enumerate(parts):
        rng = generator(derive(seed, f"again-{i}"))
        rows = _beside(task, parts[:i], learner, method, rng)
        train, monitor = training(method, work, len(rows), derive(seed, f"task-{i}") % 2**31)

        def watch(trainer: Trainer, i: int = i) -> None:
            told(i, trainer.step, trainer.total)

        told(i, 0, train.steps)
        trainer = Trainer(learner, rows, train, monitor, observers=[watch])
        if work.protocol == "discriminative":  # one Adam for all tasks, as in the released code
            moments = _carried(moments, trainer.updater.optimizers)
        trainer.fit(progress=False)
        if isinstance(learner, InSequence):
            learner.after_task(task.train)
        learner.eval()
        seen = torch.cat([t.classes for t in parts[: i + 1]])
        accuracy.append([accuracy_of(model, t.held, seen) for t in parts[: i + 1]])
    return Run(accuracy, time.process_time() - began)


def _carried(before: Optimizers, now: Optimizers) -> Optimizers:
    """The optimisers of a task, with the moments of those before."""
    for name, optimizer in before.items():
        now[name].load_state_dict(optimizer.state_dict())
    return now


def _beside(
    task: Task, earlier: list[Task], learner: Learner, method: Method, rng: torch.Generator
) -> Dataset:
    """The rows of a task and what is seen again of earlier classes."""
    if not earlier or method.replay == "none":
        return task.train
    if method.replay == "real":
        return with_rows(task.train, [t.train for t in earlier])
    n = max(1, min(AGAIN, len(task.train) // len(task.classes)))
    x, y = own_samples(learner, n, torch.cat([t.classes for t in earlier]), rng)
    return with_samples(task.train, x, y, learner.model.spec)


@torch.no_grad()
def accuracy_of(model: EnergyModel, data: Dataset, seen: Tensor) -> float:
    """The share of `data` whose label has the least energy among the classes `seen` `(K,)`."""
    right = 0
    with frozen(model):
        for index in torch.arange(len(data)).split(CHUNK):
            batch = data.batch(index, model.spec.low, model.spec.high)
            assert batch.y is not None
            told = seen[model.class_energies(batch.x)[:, seen].argmin(1)]  # type: ignore[operator]
            right += int((told == batch.y).sum())
    return right / len(data)
