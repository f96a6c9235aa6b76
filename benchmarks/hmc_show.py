"""The section `hmc` as Markdown and as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median
from typing import Any

from .show import NOTHING, bars, markdown, panels_for
from .timing import Spread, ratio, spread

PEER = "blackjax"
COLOURS = {"gibbsian": "#2a6f97", "gibbsian compiled": "#61a5c2", PEER: "#e09f3e"}
EXPLAINED = """\
Hamiltonian Monte Carlo by both libraries: the same target in float32 on the processor, the same number of
chains and of trajectories, the same number of leapfrog steps in each, a diagonal metric, the same exact
draws to start from. Each library's own tuner ({warmup} trajectories) sets step size and metric for the same
acceptance: `tune` for all chains together, `window_adaptation` for each chain by itself. Each chain then
multiplies its step by a uniform number from [{low:.1f}, {high:.1f}] at each trajectory. blackjax runs as one
compiled function, `scan` over `vmap`, on jax's own threads.

**ESS/s** is the smallest bulk effective sample size (Vehtari et al. 2021; one function for all) among the
locations and scales of the coordinates, over the seconds of sampling: the median of {rounds} interleaved
rounds with other seeds, the least and the greatest in brackets. Tuning and compilation are not in it.
**Per 1,000 gradients** takes the speed of the machine out and leaves the quality of tuning.

Whether the samplers are *right* to the accuracy that they claim: every coordinate is put through its exact
distribution function, so that its mean must be 1/2 and its variance 1/12. **Error** is the root mean square
error of the means, in standard deviations; **rms z** compares errors of mean and variance with the standard
errors that follow from ESS, and should be near 1; **R-hat** is the worst one. The funnel's v has a standard
deviation of 1.5; at Neal's 3 none of four settings mixed (R-hat above 1.3 after 2,000 trajectories of
blackjax), and an effective sample size means nothing there."""

Case = dict[str, Any]


def rates(found: dict[str, Any]) -> list[float]:
    """Effective samples a second, round by round."""
    return [n / s for n, s in zip(found["ess"], found["seconds"], strict=True)]


def advantage(case: Case, name: str) -> Spread | None:
    """How many times blackjax's rate a sampler reaches; None without blackjax or for itself."""
    samplers = case["samplers"]
    if PEER not in samplers or name == PEER:
        return None
    slow, fast = ([1 / r for r in rates(samplers[n])] for n in (PEER, name))
    return ratio(slow, fast)


def per_gradient(case: Case, name: str) -> float:
    """Effective samples for 1,000 gradients of a chain, median over rounds."""
    spent = case["chains"] * case["draws"] * case["leapfrogs"]
    return 1000 * median(case["samplers"][name]["ess"]) / spent


def table(result: dict[str, Any]) -> str:
    """The section in Markdown, with what is measured and how."""
    low, high = 1 - result["jitter"], 1 + result["jitter"]
    parts = [
        EXPLAINED.format(warmup=result["warmup"], rounds=result["rounds"], low=low, high=high),
        markdown(_speeds(result)),
        "### Accuracy, tuning and starts",
        "Medians over rounds. *Tuning* includes compilation; *start* is what the first call took above a "
        "later one. Both ways of this library share one tuning, without compilation.",
        markdown(_accuracies(result)),
        _legend(result),
    ]
    return "\n\n".join(parts)


def plot(result: dict[str, Any], path: Path) -> None:
    """A panel a case, a bar for each sampler's median rate, whiskers to the least and the greatest."""
    figure, panels = panels_for(len(result["cases"]), 1.5)
    for panel, (name, case) in zip(panels, result["cases"].items(), strict=True):
        spreads = {s: spread(rates(found)) for s, found in case["samplers"].items()}
        bars(panel, name, spreads, [COLOURS[s] for s in spreads], _number)
    figure.supxlabel("effective samples a second: median, least and greatest", fontsize=9)
    figure.savefig(path, dpi=110)


def _speeds(result: dict[str, Any]) -> list[list[str]]:
    lines = [["case", "sampler", "ESS/s", f"times {PEER}", "ESS per 1,000 gradients"]]
    for name, case in result["cases"].items():
        for sampler, found in case["samplers"].items():
            rate, times = spread(rates(found)), advantage(case, sampler)
            per = f"{per_gradient(case, sampler):.2f}"
            lines.append([name, sampler, _bracketed(rate), _bracketed(times), per])
    return lines


def _accuracies(result: dict[str, Any]) -> list[list[str]]:
    titles = [
        "case",
        "sampler",
        "step size",
        "acceptance",
        "error",
        "rms z",
        "R-hat",
        "tuning, s",
        "start, s",
    ]
    lines = [titles]
    for name, case in result["cases"].items():
        for sampler, found in case["samplers"].items():
            middle = {k: median(found[k]) for k in ("acceptance", "error", "rms_z", "rhat", "seconds")}
            cells = [f"{found['step_size']:.3f}", f"{middle['acceptance']:.2f} of {case['acceptance']:g}"]
            cells += [f"{middle['error']:.4f}", f"{middle['rms_z']:.2f}", f"{middle['rhat']:.3f}"]
            cells += [f"{found['tuning']:.1f}", f"{max(0.0, found['first'] - middle['seconds']):.1f}"]
            lines.append([name, sampler, *cells])
    return lines


def _legend(result: dict[str, Any]) -> str:
    what = {
        c["target"]: f"- **{c['target']}**: {c['about']}; {c['leapfrogs']} leapfrog steps a trajectory, "
        f"acceptance tuned to {c['acceptance']:g}."
        for c in result["cases"].values()
    }
    sizes = {c["chains"]: c["draws"] for c in result["cases"].values()}
    kept = ", ".join(f"{draws:,} of each of {chains:,} chains" for chains, draws in sizes.items())
    lines = [*what.values(), f"- Trajectories kept: {kept}."]
    lines += [f"- {name}: {note}" for name, c in result["cases"].items() for note in c["notes"]]
    lines += [f"- **{name}** was not measured: {reason}." for name, reason in result["absent"].items()]
    return "\n".join(lines)


def _bracketed(values: Spread | None) -> str:
    if values is None:
        return NOTHING
    low, middle, high = (_number(v) for v in (values.low, values.median, values.high))
    return f"{middle} ({low}–{high})"


def _number(value: float) -> str:
    """Three figures, thousands apart."""
    if value <= 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{round(value, 2 - math.floor(math.log10(value))):,.{digits}f}"
