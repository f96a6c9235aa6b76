"""Chains from test images under their own class: how many change it?

Du and Mordatch (2019) report about 10 % of images from the test image itself, and about 30 % from its
corruption by salt and pepper: 5 % of the pixels .1, another 5 % .9.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gibbsian.core.random import derive, generator
from gibbsian.metrics.interval import Interval, share_interval
from gibbsian.tasks.convert.classes import Setting, Sources
from gibbsian.tasks.restore.corruption import SaltPepper

PUBLISHED = {"test image": 0.1, "corrupted image": 0.3}
NOISE = SaltPepper(0.1, 0.1, 0.9, outlier_mask="none")
WORST = 10


@dataclass(frozen=True, eq=False)
class Worst:
    """Images in [0, 1] that changed most surely: the clean ones, where the chain began, where it ended."""

    clean: Tensor
    begun: Tensor
    ended: Tensor


@dataclass(frozen=True, eq=False)
class ClassChanges:
    """Shares of `n` images whose judged class is another than that of the clean image.

    `changed` by start: after the chain; `before`: of the corrupted images themselves. `worst` by start.
    """

    n: int
    changed: dict[str, Interval]
    before: Interval
    worst: dict[str, Worst]


def class_changes_under_own_label(setting: Setting, begun: Sources) -> ClassChanges:
    """Run every image under its own label, from itself and from its corruption."""
    pixels = setting.model.spec
    rng = generator(derive(setting.seed, "damage"))
    noisy = NOISE.apply(begun.x, pixels.low, pixels.high, rng).x
    clean = setting.unit(begun.x)
    told = setting.judged(clean).argmax(1)
    changed, worst = {}, {}
    for name, x in {"test image": begun.x, "corrupted image": noisy}.items():
        ended = setting.unit(setting.refined(x, begun.y, f"from {name}"))
        odds = setting.judged(ended)
        moved = odds.argmax(1) != told
        changed[name] = share_interval(int(moved.sum()), len(told))
        surest = (odds.amax(1) * moved).argsort(descending=True)[: min(WORST, int(moved.sum()))]
        worst[name] = Worst(clean[surest], setting.unit(x)[surest], ended[surest])
    at_once = setting.judged(setting.unit(noisy)).argmax(1) != told
    return ClassChanges(len(told), changed, share_interval(int(at_once.sum()), len(told)), worst)
