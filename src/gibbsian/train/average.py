"""Exponentially averaged weights: the ones that sample better than any single step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Averages every parameter of the trained groups; buffers are not averaged. Decay 0 keeps nothing.

    The decay is warmed up as min(decay, (1 + t) / (10 + t)), so early averages forget the start.
    """

    def __init__(self, modules: dict[str, nn.Module], decay: float) -> None:
        self.decay, self.updates = decay, 0
        named = {f"{g}.{n}": p for g, m in modules.items() for n, p in m.named_parameters()}
        self.live = named if decay else {}
        self.weights = {k: p.detach().clone() for k, p in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the weights of now."""
        if not self.live:
            return
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        kept = list(self.weights.values())
        torch._foreach_lerp_(kept, [p.detach() for p in self.live.values()], 1 - decay)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Overwrite the model's weights by their averages."""
        for k, p in self.live.items():
            p.copy_(self.weights[k])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model carries its averaged weights inside, its own again after."""
        own = {k: p.detach().clone() for k, p in self.live.items()}
        self.copy_to_model()
        try:
            yield
        finally:
            with torch.no_grad():
                for k, p in self.live.items():
                    p.copy_(own[k])

    def state_dict(self) -> dict[str, Tensor | int]:
        """Averages and the number of updates."""
        return {"updates": self.updates, **self.weights}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor | int]) -> bool:
        """Restore averages in place; raises `KeyError` for the state of another model.

        Where nothing was averaged before they begin at the weights of now, which is True of what is returned.
        """
        begins = bool(self.live) and state.keys() == {"updates"}
        self.updates = int(state["updates"]) if self.live and not begins else 0
        for k, w in self.weights.items():
            w.copy_(self.live[k] if begins else torch.as_tensor(state[k]))
        return begins
