"""What a model knows of its data: their shape, their range, their classes. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Table:
    """The columns of a table of numbers, and how models see them: z = (x - shift) / scale.

    Attributes:
        names: of the columns, empty for an array.
        shift, scale: one number a column, in its units.
        label, classes: name of the column of classes and their names, empty without one.
    """

    names: tuple[str, ...]
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    label: str = ""
    classes: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: dict[str, Any]) -> Table:
        """From plain values, as `to_dict` gives them; raises `KeyError`, `TypeError` or `ValueError`."""
        shift, scale = (tuple(float(v) for v in values[key]) for key in ("shift", "scale"))
        if len(shift) != len(scale) or not all(0 < s < float("inf") for s in scale):
            raise ValueError("shift and scale are one number a column, scale above 0")
        names, classes = (tuple(str(v) for v in values.get(key, ())) for key in ("names", "classes"))
        return cls(names, shift, scale, str(values.get("label", "")), classes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def changes(self) -> bool:
        """Whether models see other numbers than the table holds."""
        return set(self.shift) | {0.0} != {0.0} or set(self.scale) | {1.0} != {1.0}

    def standardised(self, x: Tensor) -> Tensor:
        """Rows `(N, D)` as models see them, float32."""
        wide = x.double()
        return ((wide - wide.new_tensor(self.shift)) / wide.new_tensor(self.scale)).float()

    def in_units(self, z: Tensor) -> Tensor:
        """Rows `(N, D)` of a model in the units of the table, float64."""
        wide = z.double()
        return wide * wide.new_tensor(self.scale) + wide.new_tensor(self.shift)


@dataclass(frozen=True)
class DataSpec:
    """The data that a model was made for.

    Attributes:
        event_shape: shape of one data point, `(C, H, W)`, `(C, L)` of signals, or `(D,)`.
        low, high: values of a black and a white pixel; for data that are not images, the range where chains
            begin and, if so set, are clamped.
        num_classes: classes that the model tells apart; 0 for a model without labels, whatever its data.
        table: columns and units of a table; `low` and `high` are those of its standardised numbers.
        condition: of a model of p(x | c), the lengths of the blocks of the vector c; empty without one.
        condition_dropout: share of blocks, or of classes as one-hot rows, that training left out, so that a
            block of zeros stands for "not given" and zeros alone for p(x); 0 for a model that knows whole
            vectors, or classes, only.

    Raises `UsageError` for an empty shape, an empty range or a negative number of classes.
    """

    event_shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0
    num_classes: int = 0
    table: Table | None = None
    condition: tuple[int, ...] = ()
    condition_dropout: float = 0.0

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

    def unconditional(self) -> DataSpec:
        """The same data without labels and conditions."""
        return replace(self, num_classes=0, condition=(), condition_dropout=0.0)

    @property
    def conditional(self) -> bool:
        """Whether energies have a second argument y: labels `(B,)`, or conditions `(B, sum(condition))`."""
        return bool(self.num_classes or self.condition)

    @property
    def label_size(self) -> int:
        """Numbers of a condition, or of a class as a one-hot row; 0 for a model of x alone."""
        return sum(self.condition) or self.num_classes

    def refuse_labels(self, y: object) -> None:
        """Raise `UsageError` if labels or conditions `y` are given for a model of x alone."""
        if y is not None and not self.conditional:
            raise UsageError("this model has no labels: leave out the label, or train with net.classes > 0")
