"""The conditional density of a clean point given its noisier neighbour on a ladder.

With x_next = y + sigma eps and y = a x, diffusion recovery likelihood (R. Gao et al., ICLR 2021, arXiv
2012.08125, eq. 6) models

    -log p(x | x_next) = E(a x, t) / b^2 + |x_next - a x|^2 / (2 sigma^2) + const,

which has one mode where the marginal has many, as sigma is small. The last level has no tether.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..core.position import dot
from .context import Index, difference, labels, per_chain, single, take


@dataclass(frozen=True, eq=False)
class Recovery:
    """E(scale u, level) / temperature + precision |centre - scale u|^2 / 2, shape `(B,)`.

    `energy` takes positions `(B, *event)` and levels `(B,)`; `centre` is x_next; `precision` is 1 /
    sigma^2, 0 where there is no tether; `scale` leads from the chain's coordinate u to y. The numbers are
    floats or `(B,)`.
    """

    energy: Callable[[Tensor, Tensor], Tensor]
    level: int | Tensor
    centre: Tensor
    temperature: float | Tensor
    precision: float | Tensor
    scale: float | Tensor = 1.0

    def __call__(self, x: Tensor | tuple[Tensor, ...]) -> Tensor:
        u = single(x)
        y = _times(self.scale, u)
        away = difference(y, self.centre)
        tether = per_chain(self.precision, y, "precision") * dot(away, away) / 2
        return self.energy(y, labels(self.level, y)) / per_chain(self.temperature, y, "temperature") + tether

    def rows(self, index: Index) -> Recovery:
        """The same over the chains at `index`."""
        cut = (
            take(v, index) for v in (self.level, self.centre, self.temperature, self.precision, self.scale)
        )
        level, centre, temperature, precision, scale = cut
        return Recovery(self.energy, level, centre, temperature, precision, scale)


def _times(factor: float | Tensor, x: Tensor) -> Tensor:
    number = per_chain(factor, x, "scale")
    return x * number.reshape(-1, *[1] * (x.dim() - 1)) if isinstance(number, Tensor) else x * number
