"""An energy pulled back to the latents of a generator.

With z ~ N(0, I) and x = G(z), the generator's distribution weighted by exp(-E(x)) is that of G(z) under

    p(z) proportional to exp(-E(G(z)) - ||z||^2 / 2).

Nothing is assumed of G: not injective, not of full dimension, so x need not have a density of its own.
Several latents, as the pair (z, eps) of a VAE with its decoder noise, are one tuple position. No Jacobian
enters: in these coordinates the prior is N(0, I), and with E = 0 the chain returns exactly that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..core.energy import Energy, called
from ..core.position import Position
from ..core.show import one_line
from .context import Index, quadratic, rows


@dataclass(frozen=True, eq=False)
class PullBack:
    """E(G(z)) + ||z||^2 / 2 for `generator` G: position -> position, called with the latents as one argument.

    `energy` is at temperature 1 (`algebra.Tempered` else); the prior is not tempered with it. Without
    `prior` it is E(G(z)) alone, for sums that bring the prior once:
    Product([PullBack(a, g), PullBack(b, g, prior=False)]).

    Sources: GEBM, M. Arbel, L. Zhou, A. Gretton, 2021 (arXiv:2003.05033); VAEBM, Z. Xiao et al.,
    2021 (arXiv:2010.00654).
    """

    energy: Energy
    generator: Callable[[Position], Position]
    prior: bool = True

    __repr__ = one_line

    def __call__(self, z: Position) -> Tensor:
        e = called(self.energy, self.generator(z))
        return e + quadratic(z, 0.0, 1.0) if self.prior else e

    def rows(self, index: Index) -> PullBack:
        """The pull-back over the chains at `index`."""
        return PullBack(rows(self.energy, index), rows(self.generator, index), self.prior)
