"""What a model knows of its data: their shape, their range, their classes. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UsageError


@dataclass(frozen=True)
class DataSpec:
    """The data that a model was made for.

    Attributes:
        event_shape: shape of one data point, `(C, H, W)`, `(C, L)` of signals, or `(D,)`.
        low, high: values of a black and a white pixel; for data that are not images, the range where chains
            begin and, if so set, are clamped.
        num_classes: classes that the model tells apart; 0 for a model without labels, whatever its data.

    Raises `UsageError` for an empty shape, an empty range or a negative number of classes.
    """

    event_shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0
    num_classes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_shape", tuple(int(n) for n in self.event_shape))
        if not self.event_shape or min(self.event_shape) < 1:
            raise UsageError(
                f"event shape {self.event_shape} is empty: give sizes of at least 1, such as (1, 28, 28)"
            )
        if not -float("inf") < self.low < self.high < float("inf"):
            raise UsageError(f"the data range is {self.low} to {self.high}: low must lie below high")
        if self.num_classes < 0:
            raise UsageError(f"num_classes is {self.num_classes}: use 0 for a model without labels")

    @property
    def is_image(self) -> bool:
        """Whether one data point is `(C, H, W)`."""
        return len(self.event_shape) == 3

    def refuse_labels(self, y: object) -> None:
        """Raise `UsageError` if labels `y` are given for a model without classes."""
        if y is not None and not self.num_classes:
            raise UsageError("this model has no labels: leave out the label, or train with net.classes > 0")
