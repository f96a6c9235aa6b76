"""Links from a network output g(x) to a density, as energies E = -log(density).

    name       density           energy
    exp        exp(g)            -g                      the usual one: g is a log-density
    softplus   log(1 + exp(g))   -log log(1 + exp(g))    exp(g) for g << 0, but only linear for g >> 0
    square     g^2 + eps         -log(g^2 + eps)
    abs        |g| + eps         -log(|g| + eps)
    neg_log    max(g, eps)       -log max(g, eps)        g is a density already

eps keeps E finite where g vanishes. Whether the density can be integrated is not checked: apart from exp,
these need a bounded domain (`Box`) or a reference factor (`GaussianReference`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.errors import require_positive, unknown
from ..core.position import Position
from .context import Index, rows

FAR = -15.0


def _log_softplus(g: Tensor) -> Tensor:
    """log log(1 + e^g), by its series log(u - u^2/2 + ...) = g - e^g/2 + O(e^2g) far to the left."""
    zero = torch.zeros((), dtype=g.dtype, device=g.device)
    near = torch.logaddexp(g.clamp(min=FAR), zero).log()
    return torch.where(g < FAR, g - g.clamp(max=FAR).exp() / 2, near)


_LOG_DENSITY: dict[str, Callable[[Tensor, float], Tensor]] = {
    "exp": lambda g, eps: g,
    "softplus": lambda g, eps: _log_softplus(g),
    "square": lambda g, eps: (g * g + eps).log(),
    "abs": lambda g, eps: (g.abs() + eps).log(),
    "neg_log": lambda g, eps: g.clamp(min=eps).log(),
}
LINKS = tuple(_LOG_DENSITY)


def link_energy(g: Tensor, name: str, eps: float = 1e-12) -> Tensor:
    """-log(density of `g` under the link `name`), elementwise; the table is in the module's docstring.

    Raises `UsageError` for an unknown name or eps <= 0.
    """
    if name not in _LOG_DENSITY:
        raise unknown("link", name, LINKS)
    require_positive(eps=eps)
    return -_LOG_DENSITY[name](g, eps)


@dataclass(frozen=True, eq=False)
class Link:
    """The energy of a network output: E(x) = link_energy(g(x), name), with `g` a callable position -> `(B,)`.

    Raises `UsageError` for an unknown name or eps <= 0.
    """

    g: Callable[[Position], Tensor]
    name: str
    eps: float = 1e-12

    def __post_init__(self) -> None:
        link_energy(torch.zeros(()), self.name, self.eps)

    def __call__(self, x: Position) -> Tensor:
        return link_energy(self.g(x), self.name, self.eps)

    def rows(self, index: Index) -> Link:
        """The link over the chains at `index`."""
        return replace(self, g=rows(self.g, index))
