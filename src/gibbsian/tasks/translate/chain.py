"""The chain that translates: from images of another domain, on the energy of the target.

    x_0 = source image,    x <- x - (s/2) grad E_target(x) (+ noise)

Models trained to translate (coarse-to-fine, mode "translate": Y. Zhao, J. Xie, P. Li, ICLR 2021) bring their
own chain; every other energy on images moves by the chain of its law, under a class where it has classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...systems.base import Leg, Plan, Planner, System, Translating, sample
from ...train.draw import labels
from ..chains import plan_steps
from ..film import Film


def translation(system: System, x: Tensor, *, to: int | None = None, steps: int | None = None) -> Planner:
    """A plan for just N chains from images `x` `(N, *event)`, to the class `to` of a conditional model.

    `steps` default to those of the system's own plan. Raises `UsageError` for an unknown class, a class
    missing or superfluous, images of another shape, and systems whose chains move latents.
    """
    if tuple(x.shape[1:]) != system.event_shape:
        raise UsageError(
            f"images to translate have shape {tuple(x.shape[1:])}: this model takes {system.event_shape}"
        )
    classes = system.config.net.classes
    if classes and to is None:
        raise UsageError(f"this model has {classes} classes: say which one with --to 0 to --to {classes - 1}")
    y = labels(system, len(x), to, x.device)
    if isinstance(system, Translating):
        return system.translated(x, steps=steps)

    def plan(n: int, rng: torch.Generator, *, y: Tensor | None = y, steps: int | None = steps) -> Plan:
        standing = system.standing(x, rng, y)
        count = steps or plan_steps(system, rng)
        end = yield Leg(standing.energy, standing.kernel, count, standing.position)
        if standing.ending is not None:
            yield from standing.ending(end)

    return plan


def translate(
    system: System,
    x: Tensor,
    *,
    rng: torch.Generator,
    to: int | None = None,
    steps: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Film]:
    """Images `(N, *event)` in the target's domain from `x`, and the film of the chains.

    Raises `UsageError` as `translation` does.
    """
    made = translation(system, x, to=to, steps=steps)

    def planned(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Plan:
        return made(n, rng)

    watched = Film(planned, progress=progress)
    drawn = sample(system, len(x), rng=rng, chunk=len(x), plan=watched.planned, observe=watched.observe)
    return drawn.x, watched
