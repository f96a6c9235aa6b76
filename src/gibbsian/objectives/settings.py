"""Settings of the contrastive loss. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..core.config import require_choices
from ..core.errors import require_not_negative

Form: TypeAlias = Literal["cd", "logsumexp", "softplus"]


@dataclass(frozen=True)
class LossConfig:
    """The contrastive loss mean E(x_pos) - mean E(x_neg) and its companions."""

    objective: Form = "cd"
    """Plain contrast, negatives weighted by softmax(-E), or a softplus of the contrast."""
    energy_l2: float = 0.0
    """Weight of mean E(x_pos)^2 + mean E(x_neg)^2."""
    link: Literal["exp", "square", "abs", "softplus"] = "exp"
    """Density that the network output g = -E stands for: exp(g), g^2, |g| or softplus(g)."""

    def __post_init__(self) -> None:
        require_choices(self, "loss")
        require_not_negative(**{"loss.energy_l2": self.energy_l2})

    @property
    def mean_reduced(self) -> bool:
        """Whether the loss is a mean over samples, so that gradients of micro-batches may be averaged."""
        return self.objective != "logsumexp"
