"""The choices of a restoration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ...core.errors import UsageError, require_not_negative, require_positive, unknown

Way = Literal["chain", "anneal", "latent", "tweedie"]
Start = Literal["noise", "mean", "nearest", "samples", "median", "given"]


@dataclass(frozen=True)
class How:
    """The choices of a restoration.

    Attributes:
        way: see `legs`; None for the one that fits the model and the damage.
        steps: of each chain (each level, with anneal on drl); None for the model's own number.
        step_factor: multiplies the step size, and the move of tweedie.
        tether: multiplies |x - x~|^2 / 2 sigma^2; 1 is the law.
        start: what unknown pixels begin as: uniform noise, the mean training image, the nearest one (for
            the k-th completion the k-th nearest), of `pool` samples of the model itself the nearest, a 3 x 3
            median, or what is given there. None: noise where pixels are hidden, the median where they are
            suspected, else given.
        completions: chains an image.
        average: take the mean of the completions as the result (the posterior mean has the best PSNR).
        anchor: s of latent chains, on pixels in [0, 1].
        pool: samples for start "samples", other ones for each completion.
    """

    way: Way | None = None
    steps: int | None = None
    step_factor: float = 1.0
    tether: float = 1.0
    start: Start | None = None
    completions: int = 3
    average: bool = False
    anchor: float = 0.1
    pool: int = 1024

    def __post_init__(self) -> None:
        require_positive(step_factor=self.step_factor, anchor=self.anchor)
        require_positive(completions=self.completions, pool=self.pool)
        require_not_negative(tether=self.tether)
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps are {self.steps}: a chain makes at least 1; leave it out for the usual")
        for value, names in ((self.way, get_args(Way)), (self.start, get_args(Start))):
            if value is not None and value not in names:
                raise unknown("choice", value, names)


USUAL = How()
