"""What a learner is: how a model is learnt, and all that only training needs.

    batch -> losses -> (group, Loss)          one optimiser step a yield

A checkpoint holds a learner with its model; a model folder holds the model. A new paper is a file that holds
parts, not a subclass of another paper's learner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..core.records import Batch, Loss
from .model import EnergyModel
from .sampler import RunOptions, Sampler

if TYPE_CHECKING:
    from ..data.dataset import Dataset


class Learner(nn.Module, ABC):
    """A way to learn a model; its replay buffer, critics and counters are its own state.

    Attributes:
        config: the settings that it was built from.
        model: the model that it trains.
        options: precision and compiling of its chains, set by the trainer.
        mean_reduced: whether its losses are means over samples; gradient accumulation needs this.
        recipe_step: set by the trainer where a budget of time stretches the recipe, see `planned`.
    """

    options: RunOptions = RunOptions()
    mean_reduced: bool = True
    recipe_step: int | None = None

    def __init__(self, config: Any, model: EnergyModel) -> None:
        super().__init__()
        self.config, self.model = config, model

    @abstractmethod
    def parameter_groups(self) -> dict[str, nn.Module]:
        """The modules to train by name; each gets an optimiser of its own."""

    @abstractmethod
    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The losses of one update, each with the group that it trains, in order.

        What follows a yield runs after that optimiser step: there chains go back into the buffer.
        """

    # -- optional ------------------------------------------------------------------------------------

    def setup(self, data: Dataset) -> None:
        """Called with the training data before the first update of a run, resumed ones too.

        A learner may refuse them, or keep rows that its losses need beside the batch.
        """

    def milestones(self) -> tuple[int, ...]:
        """Updates, as `planned` counts them, at which training turns to something new, such as the energy of
        a trained base."""
        return ()

    def planned(self, step: int) -> int:
        """The update of the recipe that update `step` stands for: `step`, unless a budget of time makes more
        or fewer. Settings named in the `step_counted` of their section are compared with it."""
        return step if self.recipe_step is None else self.recipe_step

    def lr_multiplier(self, group: str, step: int) -> float:
        """Factor on the learning rate of a group at an update."""
        return 1.0

    def transform_gradients(self, group: str) -> None:
        """Change the weight gradients of a group in place, before they are clipped and applied."""

    def samplers(self) -> dict[str, Sampler]:
        """Samplers that need training state, such as "buffer": chains that go on from stored ones."""
        return {}

    def reset_training_state(self) -> None:
        """Weights have come from another run (`--init-from`): drop what that run's training knew besides."""
