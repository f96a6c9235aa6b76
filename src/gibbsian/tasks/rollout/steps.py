"""Paths drawn one step after another: each state from the model at the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...data.transitions import Transitions
from ...mcmc.base import run
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen

Draw: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]
"""Standardised steps `(B, D)` at conditions `(B, C)`."""
NEAR_STEPS = 100


def sequential(
    draw: Draw,
    made: Transitions,
    past: Tensor,
    horizon: int,
    rng: torch.Generator,
    actions: Tensor | None = None,
    *,
    within: bool = False,
) -> Tensor:
    """Paths `(B, horizon + 1, D)` in units from states `past` `(B, lag, D)`, which end in the present.

    `actions` `(B, horizon, A)` are followed where the transitions have any. With `within` a state beyond the
    range of the training states is taken back to its edge.
    """
    found = list(past.unbind(1))
    for t in range(horizon):
        recent = torch.stack(found[-made.lag :], 1)
        c = made.condition(recent, None if actions is None else actions[:, t])
        state = made.following(found[-1], draw(c, rng))
        found.append(state.clamp(made.low, made.high) if within else state)
    return torch.stack(found[made.lag - 1 :], 1)


def steps_of(
    model: EnergyModel, made: Transitions, steps: int | None = None, near: float | None = None
) -> Draw:
    """Draws of a model: by its sampler, or with `near` by a chain begun at no step and noise of so many
    deviations of a step.

    Raises `UsageError` where the model is not one of these transitions.
    """
    c = made.width
    if sum(model.spec.condition) != c or model.spec.event_shape != (made.size,):
        took = f"steps of {model.spec.event_shape} given {sum(model.spec.condition)} numbers"
        raise UsageError(
            f"this model takes {took}, and these transitions are ({made.size},) given {c}: name its own data"
        )
    if near is not None and not 0 <= near < float("inf"):
        raise UsageError(f"near is {near}: a number of deviations of a step, such as 0.1")
    device = device_of(model)
    still = made.step.standardised(torch.zeros(made.size))

    def draw(c: Tensor, rng: torch.Generator) -> Tensor:
        if near is None:
            return model.sample(len(c), y=c.to(device), rng=rng, steps=steps).x.cpu()
        noise = torch.randn(len(c), made.size, generator=rng, device=rng.device)
        begun = still.to(device) + near * noise
        chain = model.sampler().from_data(begun, rng, c.to(device))
        with frozen(model):
            end = run(chain.kernel, chain.energy, chain.position, steps=steps or NEAR_STEPS, rng=rng).position
        return end.cpu() if isinstance(end, Tensor) else end[0].cpu()

    return draw
