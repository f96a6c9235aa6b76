"""Two-dimensional densities with exact log-density and exact draws; long because there are ten of them.

    mixture        p(x) = sum_k w_k N(x; m_k, L_k L_k')
    circles        a circle of radius R blurred by N(0, s^2 I):
                   p(x) = exp(-(r^2 + R^2) / 2 s^2) I_0(r R / s^2) / (2 pi s^2),  r = |x|
    pinwheel       a mixture pushed through x -> Rot(a |x|) x, which keeps areas, so that
                   p(x) = p_mixture(Rot(-a |x|) x)
    checkerboard   uniform on 8 unit squares

All are normalised. Moons are 2 x 32 Gaussians along half circles, no farther apart than
their deviation: the blurred half circle, up to what cannot be seen. Shapes are (N, 2) for points and
(N,) for log-densities; draws are float64 unless another dtype is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..core.errors import unknown
from .names import TOYS


class Density(Protocol):
    """Anything with exact draws and exact log-density."""

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """(n, 2) points and the component (n,) that each came from."""

    def log_density(self, x: Tensor) -> Tensor:
        """(N,) log p(x)."""


@dataclass(frozen=True, eq=False)
class ToyDensity:
    """A named density. `modes` (K, 2) with deviation `spread`, empty where there are no points to visit.

    The square [-box, box]^2 holds all but a negligible part of the mass. `classes` names components.
    """

    name: str
    density: Density
    classes: tuple[str, ...]
    modes: Tensor
    spread: float
    box: float

    def draw(self, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
        """`n` independent exact draws (n, 2)."""
        return self.draw_labelled(n, rng, dtype)[0]

    def draw_labelled(
        self, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, Tensor]:
        """Draws (n, 2) and the component (n,) int64 of each."""
        x, component = self.density.draw(n, rng)
        return x.to(dtype), component

    def log_density(self, x: Tensor) -> Tensor:
        """Exact log p(x) (N,) for `x` (N, 2), differentiable, -inf outside the support."""
        return self.density.log_density(x)


@dataclass(frozen=True, eq=False)
class Mixture:
    """sum_k w_k N(m_k, L_k L_k'): `means` (K, 2), lower-triangular `factors` (K, 2, 2), `weights` (K,).

    `component` (K,) says which visible component each Gaussian belongs to.
    """

    means: Tensor
    factors: Tensor
    weights: Tensor
    component: Tensor

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Exact draws."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        noise = torch.randn(n, 2, 1, generator=rng, dtype=torch.float64)
        return self.means[k] + (self.factors[k] @ noise).squeeze(2), self.component[k]

    def log_density(self, x: Tensor) -> Tensor:
        """Exact log p(x)."""
        inverse = torch.linalg.inv(self.factors).to(x)
        u, v = (x.unsqueeze(1) - self.means.to(x)).unbind(2)
        square = (inverse[:, 0, 0] * u).square() + (inverse[:, 1, 0] * u + inverse[:, 1, 1] * v).square()
        log_scale = self.factors.diagonal(dim1=1, dim2=2).log().sum(1) + math.log(2 * math.pi)
        return torch.logsumexp((self.weights.log() - log_scale).to(x) - 0.5 * square, dim=1)


@dataclass(frozen=True, eq=False)
class Circles:
    """Concentric circles of `radii` (K,) with weights in proportion, blurred by N(0, blur^2 I)."""

    radii: Tensor
    blur: float

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Exact draws."""
        k = torch.multinomial(self.radii, n, replacement=True, generator=rng)
        angle = 2 * math.pi * torch.rand(n, generator=rng, dtype=torch.float64)
        on_circle = self.radii[k, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return on_circle + self.blur * torch.randn(n, 2, generator=rng, dtype=torch.float64), k

    def log_density(self, x: Tensor) -> Tensor:
        """Exact log p(x), by the scaled Bessel function i0e(u) = exp(-u) I_0(u)."""
        r = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        radii, variance = self.radii.to(x), self.blur**2
        log_bessel = torch.special.i0e(r * radii / variance).log()
        per_circle = log_bessel - (r - radii).square() / (2 * variance) - math.log(2 * math.pi * variance)
        return torch.logsumexp(per_circle + (radii / radii.sum()).log(), dim=1)


@dataclass(frozen=True, eq=False)
class Twisted:
    """`base` pushed through x -> Rot(rate |x|) x, whose Jacobian determinant is 1."""

    base: Mixture
    rate: float

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Exact draws."""
        x, component = self.base.draw(n, rng)
        return _twist(x, self.rate), component

    def log_density(self, x: Tensor) -> Tensor:
        """Exact log p(x)."""
        return self.base.log_density(_twist(x, -self.rate))


@dataclass(frozen=True, eq=False)
class Checkerboard:
    """Uniform on the unit squares of [-2, 2]^2 whose column and row numbers add up to an even one."""

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Exact draws."""
        square = torch.randint(8, (n,), generator=rng)
        column = square // 2
        row = 2 * (square % 2) + column % 2
        corner = torch.stack([column, row], 1) - 2
        return corner + torch.rand(n, 2, generator=rng, dtype=torch.float64), square

    def log_density(self, x: Tensor) -> Tensor:
        """-log 8 inside, -inf outside."""
        inside = ((x >= -2) & (x < 2)).all(1) & (x.floor().sum(1).remainder(2) == 0)
        return torch.where(inside, -math.log(8.0), -math.inf).to(x.dtype)


UNEVEN = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


def toy(name: str) -> ToyDensity:
    """The toy density `name` (see `names.TOYS`); raises `UsageError` for an unknown one."""
    if name not in _MAKERS:
        raise unknown("toy", name, TOYS)
    return _MAKERS[name]()


def _twist(x: Tensor, rate: float) -> Tensor:
    angle = rate * torch.linalg.vector_norm(x, dim=1)
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], 1)


def _round(means: Tensor, deviation: float, weights: Tensor | None = None, repeat: int = 1) -> Mixture:
    """Round Gaussians of one deviation; every `repeat` in a row make one component."""
    k = len(means)
    factors = deviation * torch.eye(2, dtype=torch.float64).expand(k, 2, 2)
    weights = torch.full((k,), 1 / k, dtype=torch.float64) if weights is None else weights
    return Mixture(means, factors, weights, torch.arange(k) // repeat)


def _numbered(n: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(n))


def _modal(name: str, mixture: Mixture, deviation: float, box: float) -> ToyDensity:
    """A density whose Gaussians are modes to be visited."""
    return ToyDensity(name, mixture, _numbered(len(mixture.means)), mixture.means, deviation, box)


def _plain(name: str, density: Density, parts: int, spread: float, box: float) -> ToyDensity:
    """A density that is one body or several, without separate modes."""
    return ToyDensity(name, density, _numbered(parts), torch.empty(0, 2, dtype=torch.float64), spread, box)


def _on_circle(n: int, start: float = 0.0, turn: float = 2 * math.pi) -> Tensor:
    """`n` points (n, 2) on an arc of the unit circle."""
    angle = start + turn * torch.arange(n, dtype=torch.float64) / n
    return torch.stack([angle.cos(), angle.sin()], 1)


def _ring() -> ToyDensity:
    return _modal("ring", _round(_on_circle(8), 0.15), 0.15, 2.0)


def _rings() -> ToyDensity:
    return _plain("rings", Circles(torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64), 0.08), 3, 0.08, 2.0)


def _moons() -> ToyDensity:
    arc = _on_circle(32, math.pi / 64, math.pi)
    upper = arc - torch.tensor([0.5, 0.25], dtype=torch.float64)
    return _plain("moons", _round(torch.cat([upper, -upper]), 0.1, repeat=32), 2, 0.1, 2.25)


def _pinwheel() -> ToyDensity:
    along = _on_circle(5)
    across = torch.stack([-along[:, 1], along[:, 0]], 1)
    axes = torch.stack([0.3 * along, 0.1 * across], 2)
    factors = torch.linalg.cholesky(axes @ axes.mT)
    weights = torch.full((5,), 0.2, dtype=torch.float64)
    return _plain("pinwheel", Twisted(Mixture(along, factors, weights, torch.arange(5)), 1.2), 5, 0.1, 3.0)


def _checkerboard() -> ToyDensity:
    return _plain("checkerboard", Checkerboard(), 8, 0.0, 2.0)


def _grid(side: int) -> ToyDensity:
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    return _modal(f"grid{side}", _round(torch.cartesian_prod(axis, axis), 0.1), 0.1, side / 2 + 0.5)


def _line(even: bool = False) -> ToyDensity:
    means = torch.tensor([[-1.5, 0.0], [-0.5, 0.0], [0.5, 0.0], [1.5, 0.0]], dtype=torch.float64)
    name = "line_even" if even else "line"
    return _modal(name, _round(means, 0.15, None if even else UNEVEN), 0.15, 2.5)


def _wire() -> ToyDensity:
    """Four modes on a line at 30 degrees, of deviation 0.12 along it and 0.01 across."""
    along = torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)], dtype=torch.float64)
    across = torch.stack([-along[1], along[0]])
    means = torch.tensor([-1.5, -0.5, 0.5, 1.5], dtype=torch.float64)[:, None] * along
    axes = torch.stack([0.12 * along, 0.01 * across], 1)
    factors = torch.linalg.cholesky(axes @ axes.mT).expand(4, 2, 2)
    return _modal("wire", Mixture(means, factors, UNEVEN, torch.arange(4)), 0.12, 2.0)


_MAKERS: dict[str, Callable[[], ToyDensity]] = {
    "ring": _ring,
    "rings": _rings,
    "moons": _moons,
    "pinwheel": _pinwheel,
    "checkerboard": _checkerboard,
    "grid3": lambda: _grid(3),
    "grid5": lambda: _grid(5),
    "line": _line,
    "line_even": lambda: _line(even=True),
    "wire": _wire,
}
