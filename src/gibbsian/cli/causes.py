"""What made a run go wrong, the deepest cause first: its data, plan, chains, energies, samples.

Every number is held against the data's own, or against what the recipe has. No torch. The bounds lie between
runs spoiled on purpose and healthy ones (`tests/cli/test_doctor_runs.py`), of which the comments tell.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from .run_log import Finding, Log


def _range(log: Log) -> Finding | None:
    filled = log.number("filled")
    if not filled < 0.3:  # .016 of images divided by 255 twice; 1 of every public set
        return None
    low, high = log.setting("pixels.low"), log.setting("pixels.high")
    return Finding(
        "bad",
        f"the data's values fill {filled:.1%} of the range {low:g} to {high:g} of the model",
        "say what is black and white in the data (--levels LOW:HIGH), or set pixels.low and pixels.high",
    )


def _labels(log: Log) -> Finding | None:
    agreement, chance = log.number("agreement"), log.number("chance")
    if not agreement - chance < 0.1 * (1 - chance):  # shuffled: chance; .99 on digits, .35 on CIFAR-10
        return None
    return Finding(
        "bad",
        f"labels say nothing of the data: the nearest other row has the same one in {agreement:.0%} of the "
        f"rows, by chance it is {chance:.0%}",
        "look whether rows and labels are in the same order; for a model without labels set net.classes 0",
    )


def _last_part(log: Log) -> Finding | None:
    plan = log.record.get("plan") or {}
    parts, made = plan.get("parts") or [], plan.get("made", 0)
    missed = [part for part in parts if made <= part]
    if not missed:
        return None
    return Finding(
        "bad",
        f"the part of training that begins at update {missed[0]} of {plan.get('recipe')} never came",
        "--resume auto goes on; a budget, --minutes or --steps, divides itself as the recipe does",
    )


def _updates(log: Log) -> Finding | None:
    own = log.number("recipe")
    if not log.step < 0.05 * own or log.record.get("state") == "diverged":
        return None
    return Finding(
        "watch",
        f"{log.step} updates are {log.step / own:.2g} of the recipe's {own:.0f}: too few to judge it by",
        "more --minutes, or --steps",
    )


def _no_noise(log: Log) -> Finding | None:
    if log.setting("chain.noise") != 0 or not log.all("drift"):
        return None
    return Finding(
        "bad",
        "chains have no noise: they descend to the nearest minimum, and sample nothing",
        "raise chain.noise; .005 to .01 for images, the root of chain.step_size for a density",
    )


def _stale(log: Log) -> Finding | None:
    if log.value("start.kind") != "persistent" or not log.all("drift"):
        return None
    capacity = log.setting("start.capacity")
    moved = log.step * log.setting("train.batch_size") / capacity
    if log.setting("start.reinit") == 0:
        return Finding(
            "bad",
            "stored chains go stale: none ever begins anew, so nothing is learnt of where chains begin",
            "set start.reinit to .05 to .2",
        )
    if moved < 1:  # .1 of a buffer of 100,000 with 300 batches of 32; 4 and more of presets
        return Finding(
            "bad",
            f"stored chains are stale: each of {capacity:.0f} was moved {moved:.2g} times in all",
            "lower start.capacity, or train longer",
        )
    return None


def _step_small(log: Log) -> Finding | None:
    first = min(log.all("drift_noise")[:3], default=1.0)
    if first > 0.01:  # .001 with a thousandth of the step; .09 to 13 of presets
        return None
    return Finding(
        "bad",
        f"chain steps are too small: at first the drift was {first:.2g} of the noise, so chains stay where "
        "they begin",
        "raise chain.step_size",
    )


def _flat(log: Log) -> Finding | None:
    first, late = log.all("drift_noise")[:3], log.late("drift_noise")
    fell = late and fmean(late) < min(0.1, 0.3 * fmean(first)) and not log.number("nearness") < 2
    if not fell and not log.number("told_apart") < 0.6:  # .9 of a flat energy whose drift fell, .86 healthy
        return None
    l2 = log.setting("loss.energy_l2", 0.0)
    how = f"drift fell from {fmean(first):.2g} to {fmean(late):.2g} of the noise" if fell else (
        f"a datum has less energy than noise in {log.number('told_apart'):.0%} of pairs, and 50% is chance"
    )  # fmt: skip
    return Finding(
        "bad",
        f"the energy has collapsed, it is nearly flat: {how}",
        f"lower loss.energy_l2, which is {l2:g}"
        if l2
        else "lower train.weight_decay or penalties, or raise train.lr",
    )


def _copies(log: Log) -> Finding | None:
    near = log.number("nearness")
    if not near < 0.5:  # .1 to .25 of 16 images learnt by heart; 1.05 and more healthy
        return None
    return Finding(
        "bad",
        f"samples are copies of training rows: they lie {near:.2g} times as far from the nearest as training "
        f"rows do from each other ({log.number('rows'):.0f} rows)",
        "train on more rows, for fewer updates, or with a smaller network",
    )


def _collapse(log: Log) -> Finding | None:
    found = log.number("diversity")
    if not found < 0.35:  # .39 and more healthy
        return None
    return Finding(
        "bad",
        f"samples have collapsed on a few: each lies {found:.2g} times as far from the nearest other one as "
        "data do from each other",
        "raise chain.noise, or the entropy weight of a generator; begin chains at fresh noise",
    )


def _border(log: Log) -> Finding | None:
    own, found = log.number("border_data"), log.number("border")
    beyond = (found - own) / max(1 - own, 1e-12)
    if not beyond > 0.5 or found < 0.1:
        return None
    return Finding(
        "bad",
        f"{found:.0%} of the samples' values lie at the border of the range, {own:.0%} of the data's",
        "lower chain.step_size or train.lr, or add loss.energy_l2",
    )


def _far(log: Log) -> Finding | None:
    near = log.number("nearness")
    if not near > 3 or not log.number("border_data") >= 0:  # of images; up to 2.2 healthy
        return None  # of points, as dense as they are many, this says little
    return Finding(
        "watch",
        f"samples lie {near:.2g} times as far from the nearest training row as rows do from each other",
        "train longer, or raise the steps of the sampling chain",
    )


CAUSES: tuple[Callable[[Log], Finding | None], ...] = (
    *(_range, _labels, _last_part, _no_noise, _stale, _step_small, _flat),
    *(_copies, _collapse, _border, _far, _updates),
)
