"""How a run fares, in plain words, from its log and how its model stands to its data. No torch.

The remedies are those that help in practice: go back to the last good checkpoint with another seed, lower the
learning rate, give the chains more steps, put a small penalty (about .1) on the energies. They are the advice
of issue 4 of the code of JEM (W. Grathwohl et al., ICLR 2020, arXiv 1912.03263).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median, pstdev
from typing import Any

from .causes import CAUSES
from .run_log import Finding, Line, Log

RESTART = (
    "start from the last good weights with another seed (--init-from RUN --seed 1), lower train.lr, raise "
    "chain.steps, add loss.energy_l2 0.1, or let --monitor.policy rollback do so"
)


def diagnose(
    record: Line,
    config: Mapping[str, Any],
    lines: Sequence[Line],
    seen: Mapping[str, float | None] | None = None,
) -> list[Finding]:
    """Results on a run: its state if that is good, then the bad before what is to be watched and the good,
    causes first.

    `record` is run.json, `config` is config.yaml, `lines` are those of metrics.jsonl, oldest first, and
    `seen` the numbers of a `Checkup` of the model beside its data, and the updates of its `recipe`.
    """
    logged = [line for line in lines if "lr" in line]
    log, state = Log(logged, config, record, seen or {}), _state(record, config, lines)
    causes = [found for rule in CAUSES if (found := rule(log)) is not None]
    if not logged:
        return _ordered(
            state, [*causes, Finding("watch", "no updates are logged yet: nothing more can be said")]
        )
    told = [found for rule in RULES if (found := rule(log)) is not None]
    rest = [*_rollbacks(lines), *told, *_validation(lines)]
    return _ordered(state, [*causes, *rest])


def _ordered(state: Finding, found: Sequence[Finding]) -> list[Finding]:
    """The state first, unless something is bad."""
    every = sorted(found, key=lambda f: ("bad", "watch", "good").index(f.grade))
    if state.grade == "good" or not every or every[0].grade != "bad":
        return [state, *every]
    return [every[0], state, *every[1:]]


def _state(record: Line, config: Mapping[str, Any], lines: Sequence[Line]) -> Finding:
    state = str(record.get("state", "unknown"))
    step = int(lines[-1].get("step", 0)) if lines else 0
    if state != "running" and isinstance(record.get("step"), int):
        step = record["step"]  # the log has not every update, and a run that is killed writes no record
    steps = config.get("train", {}).get("steps", "?")
    total = "" if isinstance(steps, int) and step > steps else f" of {steps}"  # a budget of time goes beyond
    if state == "diverged":
        reasons = [str(line["reason"]) for line in lines if line.get("event") == "diverged"]
        what, _, remedy = (reasons[-1] if reasons else f"diverged at step {step}").rpartition(": ")
        return Finding("bad", what or remedy, f"{remedy}; or {RESTART}" if what else RESTART)
    if state in ("running", "stopped"):
        told = "running, or killed without a word" if state == "running" else "stopped"
        return Finding(
            "watch", f"{told} at step {step}{total}", "--resume auto goes on, if it is not running"
        )
    plan = record.get("plan") or {}
    if (
        state == "done"
        and isinstance(steps, int)
        and step < steps
        and plan.get("made", 0) >= plan.get("recipe", 1)
    ):
        return Finding("good", f"done at step {step}, in which a recipe of {steps} was gone through")
    if state == "done" and isinstance(steps, int) and step < steps:
        return Finding(
            "watch",
            f"cut short by its budget of time at step {step}{total}: what follows is of so few updates",
            "--resume auto --minutes M goes on, or --steps N",
        )
    return Finding("good" if state == "done" else "watch", f"{state} at step {step}{total}")


def _rollbacks(lines: Sequence[Line]) -> list[Finding]:
    events = [line for line in lines if line.get("event") == "rollback"]
    if not events:
        return []
    last = events[-1]
    return [Finding(
        "watch", f"{len(events)} rollbacks, the last at step {last.get('failed_at')}: {last.get('reason')}",
        f"keep the lowered learning rate from the start: train.lr x {last.get('lr_multiplier')}",
    )]  # fmt: skip


def _gap(log: Log) -> Finding | None:
    gaps, late = log.all("energy_gap"), log.late("energy_gap")
    if not gaps:
        return None
    if len(gaps) < 10:
        return Finding("watch", "too few log lines to judge the energy gap")
    before = max(median(map(abs, gaps[: len(gaps) // 2])), 1e-12)
    now, bound = median(map(abs, late)), log.setting("monitor.max_gap", 1e3)
    if now > 5 * before and now > 0.01 * bound:
        return Finding(
            "bad", f"energy gap grew from {before:.3g} to {now:.3g}: data and samples part", RESTART
        )
    mean, spread = fmean(late), pstdev(late)
    apart = log.number("apart")
    if abs(mean) < 0.25 * apart:
        return Finding(
            "good", f"energy gap {mean:+.3g} +- {spread:.2g}, where noise is {apart:.3g} above data"
        )
    if not log.all("drift"):
        return Finding("good", f"energy gap {mean:+.3g} +- {spread:.2g}, of data less noise or a generator's")
    if mean < -3 * spread - 1e-12:
        return Finding(
            "watch",
            f"energy gap stays below 0 ({mean:+.3g}): chains do not reach where the energy is low",
            "raise chain.steps, or chain.step_size",
        )
    if mean > 3 * spread + 1e-12:
        return Finding(
            "watch",
            f"energy gap stays above 0 ({mean:+.3g}): chains find lower energy than the data has",
            "lower train.lr, or add loss.energy_l2 0.1",
        )
    return Finding("good", f"energy gap {mean:+.3g} +- {spread:.2g}, without a trend")


def _clipping(log: Log) -> Finding | None:
    late = log.late("clipped")
    if not late or fmean(late) < 0.9:
        return None
    return Finding(
        "watch",
        f"{fmean(late):.0%} of the chains' gradients are clipped: the clip, not the energy, sets the pace",
        "raise chain.clip, or lower train.lr",
    )


def _balance(log: Log) -> Finding | None:
    late = log.late("drift_noise")
    if not late:
        return None
    ratio = fmean(late)
    if ratio < 0.1:
        return Finding(
            "watch",
            f"drift is {ratio:.2g} of the noise: chains wander and learn little",
            "raise chain.step_size or lower chain.noise",
        )
    if ratio > 10:
        return Finding(
            "watch" if ratio > 100 else "good",
            f"drift is {ratio:.3g} times the noise: chains descend, what is learnt is the K-step sampler",
            "fine for samples; for a density raise chain.noise towards the root of chain.step_size",
        )
    return Finding("good", f"drift is {ratio:.2g} times the noise (healthy: .1 to 10)")


def _redrawn(log: Log) -> Finding | None:
    total = sum(log.all("redrawn"))
    if not total:
        return None
    return Finding(
        "watch",
        f"{total:.0f} chains ended non-finite in the logged updates and were drawn anew",
        "lower chain.step_size, or set chain.clip",
    )


def _size(log: Log) -> Finding | None:
    late = log.late("energy_pos")
    gap = max(median(map(abs, log.late("energy_gap"))), 1e-12) if log.late("energy_gap") else 1.0
    if not late or log.setting("loss.energy_l2", 0.0) or median(map(abs, late)) < 1e4 * gap:
        return None
    return Finding(
        "watch",
        f"energies of data stand at {median(late):+.3g}, {median(map(abs, late)) / gap:.0e} times their gap",
        "their free constant drifts and eats precision: add loss.energy_l2 0.1",
    )


RULES: tuple[Callable[[Log], Finding | None], ...] = (_gap, _balance, _clipping, _redrawn, _size)


def _validation(lines: Sequence[Line]) -> list[Finding]:
    told = [(float(v["validation"]), int(v["step"])) for v in lines if "validation" in v]
    marks = [mark for mark in told if math.isfinite(mark[0])]
    if len(marks) < 3:
        return []
    best, at = min(marks)
    last = marks[-1][0]
    if last > 1.2 * best and at != marks[-1][1]:
        return [
            Finding(
                "watch", f"validation was best at step {at} ({best:.4g}), now {last:.4g}", "use --which best"
            )
        ]
    return [Finding("good", f"validation {last:.4g}, best {best:.4g} at step {at}")]
