"""The section `chains`: every case by every implementation, interleaved, with the ceilings beside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.mcmc.base import Precision
from gibbsian.mcmc.engine.engine import ENGINE

from .cases import CASES, Case
from .ceilings import ceiling
from .cold import starts
from .hardware import native_bf16, waiter
from .implementations import Implementation, select
from .problems import SEED
from .show import plot, table
from .timing import Call, interleave, seconds
from .verdict import Record, better_peer, quickest

__all__ = ["Settings", "measure", "plot", "table"]

Notify = Callable[[str], None]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
CEILING = "ceiling "


@dataclass(frozen=True)
class Settings:
    """What is measured.

    `implementations` by name, all by default. `precision`: "auto" measures bfloat16 where the device
    multiplies it in hardware, "bf16" in any case, "fp32" never. `compiled`: the compiled path too. `cold`:
    its starts too, on the cases made for that.

    Raises:
        UsageError: for an unknown implementation or precision, or without any implementation.
    """

    cases: Sequence[Case] = field(default_factory=lambda: tuple(CASES.values()))
    device: torch.device = torch.device("cpu")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    implementations: Sequence[str] | None = None
    compiled: bool = True
    cold: bool = True

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "fp32", "bf16"):
            raise UsageError(f"precision is '{self.precision}': choose from auto, fp32, bf16")
        if not select(None if self.implementations is None else list(self.implementations)):
            raise UsageError("there is no implementation: name one or more")

    @property
    def precisions(self) -> list[Precision]:
        """The precisions to measure."""
        wide = self.precision == "bf16" or (self.precision == "auto" and native_bf16(self.device))
        return ["fp32", "bf16"] if wide else ["fp32"]

    def entrants(self) -> tuple[list[Implementation], dict[str, str]]:
        """Who takes part, and for the others why not."""
        asked = select(None if self.implementations is None else list(self.implementations))
        absent = {c.name: reason for c in asked if (reason := self._absent(c))}
        return [c for c in asked if c.name not in absent], absent

    def _absent(self, c: Implementation) -> str:
        if c.compiled and not self.compiled:
            return "the compiled path was left out"
        if c.precision not in self.precisions:
            left_out = self.precision == "fp32"
            return "bfloat16 was left out" if left_out else f"this {self.device.type} only emulates bfloat16"
        return c.missing()


def measure(*, rounds: int, notify: Notify, settings: Settings | None = None) -> dict[str, Any]:
    """Seconds of every case and implementation, as plain JSON: `{"rounds", "absent", "cases", "starts"}`.

    `notify` gets a line for each case as it begins and ends. Torch's global stream, from which other
    libraries draw, is forked and seeded meanwhile. Raises `UsageError` for less than one round.
    """
    settings = settings or Settings()
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}: at least 1; 5 or more for a figure worth quoting")
    entrants, absent = settings.entrants()
    for name, reason in absent.items():
        notify(f"without {name}: {reason}")
    if not entrants:
        raise UsageError(f"nobody is left to run: {'; '.join(absent.values())}")
    found: dict[str, Record] = {}
    for k, case in enumerate(settings.cases):
        tell = partial(_tell, notify, f"[{k + 1}/{len(settings.cases)}] {case.name}")
        found[case.name] = _case(case, entrants, settings, rounds, tell)
    return {"rounds": rounds, "absent": absent, "cases": found, "starts": _starts(settings, entrants, notify)}


def _case(
    case: Case, entrants: Sequence[Implementation], settings: Settings, rounds: int, tell: Notify
) -> Record:
    device, wait = settings.device, waiter(settings.device)
    tell("first calls")
    with seeded_init(generator(SEED, device)):
        calls, first, notes = _warm(case, entrants, device, wait, tell)
        ceilings, formats = _ceilings(case, settings, wait)
        tell(f"rounds {rounds}, implementations {len(calls)}")
        taken = interleave(calls | ceilings, rounds, wait)
    record = {
        "about": case.about,
        "seconds": {name: taken[name] for name in calls},
        "first": first,
        "ceilings": {p: {"format": formats[p], "seconds": taken[CEILING + p]} for p in formats},
        "notes": notes,
    }
    tell(_summary(record))
    return record


def _warm(
    case: Case, entrants: Sequence[Implementation], device: torch.device, wait: Call, tell: Notify
) -> tuple[dict[str, Call], dict[str, float], list[str]]:
    """The calls, each made once; the seconds of that first call; what the library warned of meanwhile."""
    calls: dict[str, Call] = {}
    first: dict[str, float] = {}
    notes: list[str] = []
    for c in entrants:
        call = c.prepare(case.build(device))
        if call is None:
            continue
        if c.compiled:
            ENGINE.forget_failures()
            tell(f"compiling for {c.name}")
        with Warnings() as warned:
            first[c.name] = seconds(call, wait)
        calls[c.name] = call
        notes += [f"{c.name}: {text}" for text in warned.texts]
    return calls, first, notes


def _ceilings(case: Case, settings: Settings, wait: Call) -> tuple[dict[str, Call], dict[Precision, str]]:
    calls: dict[str, Call] = {}
    formats: dict[Precision, str] = {}
    for precision in settings.precisions:
        problem = case.build(settings.device)
        calls[CEILING + precision], formats[precision] = ceiling(
            problem, settings.device, DTYPES[precision], wait
        )
    return calls, formats


def _starts(settings: Settings, entrants: Sequence[Implementation], notify: Notify) -> dict[str, Any]:
    """Starts of the compiled path by case; a case whose start fails is told of, and left out."""
    found: dict[str, Any] = {}
    if not settings.cold or not any(c.compiled for c in entrants):
        return found
    for case in (c for c in settings.cases if c.cold):
        notify(f"{case.name}: cold and warm start of the compiled path")
        try:
            found[case.name] = starts(case, settings.device)
        except GibbsianError as error:
            notify(str(error))
    return found


class Warnings(logging.Handler):
    """Gathers what the library logs as a warning, such as a compiled path that fell back to eager."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of a warning."""
        self.texts.append(record.getMessage())

    def __enter__(self) -> Warnings:
        logging.getLogger("gibbsian").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("gibbsian").removeHandler(self)


def _tell(notify: Notify, head: str, text: str) -> None:
    notify(f"{head}: {text}")


def _summary(record: Record) -> str:
    """The best of ours and the better peer, in a few words."""
    own = quickest(record, ["gibbsian", "compiled", "bf16", "bf16-compiled"])
    parts = [name for name in (own, better_peer(record)) if name]
    return ", ".join(f"{name} {sorted(record['seconds'][name])[0]:.3g} s at best" for name in parts) or "done"
