"""Score matching: learn E from how log p slopes, without chains and without Z.  s(x) = -grad E(x)

    exact               mean |s|^2 / 2 + tr grad s                        (A. Hyvärinen, JMLR 6, 2005)
    sliced              mean v' grad s v + |s|^2 / 2,   E v v' = I        (Y. Song et al., UAI 2019)
    finite difference   the same with E(x + dv), E(x), E(x - dv) only     (T. Pang et al., NeurIPS 2020)
    denoising           mean |sigma s(x + sigma eps) + eps|^2 / 2         (P. Vincent, Neural Comp. 23, 2011)

The first three fit p, up to a constant that none of them sees: mean |s - grad log p|^2 / 2. They need a
smooth E (the trace of a network of kinked activations is 0) and a p without edges. Denoising fits p * N(0,
sigma^2), needs neither, and is the cheapest; its factor sigma^2 on |s + eps / sigma|^2 makes the levels of a
ladder weigh alike (Song and Ermon 2019). Losses of different sigma or different forms do not compare.

`x` is `(B, *event)`, `v` and `eps` have its shape, values are sums over coordinates and means over rows. The
free constant of E enters as 0 E, so that a network's last bias has gradient 0 and not none.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor

from ..core.energy import Energy, curvature, value, value_and_grad
from ..core.errors import UsageError, require_positive, unknown
from ..core.position import dot, expand, norm
from ..core.records import Loss

Probe: TypeAlias = Literal["rademacher", "gaussian", "sphere"]
MOST_COORDINATES = 64


def exact(energy: Energy, x: Tensor) -> Loss:
    """|s|^2 / 2 + tr grad s, by one backward pass a coordinate.

    Metrics of all functions here: `energy` (mean E at the points used), `score_norm` (mean |s|), and here
    `trace`. Raises `UsageError` above 64 coordinates. Source: Hyvärinen 2005, theorem 1.
    """
    size = x[0].numel()
    if size > MOST_COORDINATES:
        raise UsageError(
            f"exact score matching of {size} coordinates would take {size} backward passes an update: up to "
            f"{MOST_COORDINATES} are allowed; use the sliced form"
        )
    axes = torch.eye(size, dtype=x.dtype, device=x.device).reshape(size, 1, *x.shape[1:])
    e, grad, along = curvature(energy, x, [axis.expand_as(x) for axis in axes])
    return _of_trace(e, grad, -torch.stack(along).sum(0), 0.5 * dot(grad, grad))


def sliced(energy: Energy, x: Tensor, v: Tensor, *, reduced: bool = True) -> Loss:
    """The trace along one random direction `v` a row (see `probe`), by one more backward pass.

    `reduced` keeps |s|^2 / 2 whole, which has less variance; else it is (v's)^2 / 2, the same on average.
    Source: Song, Garg, Shi, Ermon 2019, arXiv 1905.07088.
    """
    _check(x, v, "v")
    e, grad, (along,) = curvature(energy, x, [v])
    square = dot(grad, grad) if reduced else dot(grad, v).square()
    return _of_trace(e, grad, -along, 0.5 * square)


def finite_difference(energy: Energy, x: Tensor, v: Tensor, delta: float = 0.1) -> Loss:
    """Sliced score matching by second differences of E along `v`: no gradient by position at all.

    v' grad s v is -(E(x + d v) - 2 E(x) + E(x - d v)) / d^2 and v's the first difference, both exact for
    quadratic energies. `delta` d > 0, a tenth of the scale of the data: |v| is the root of their number, so
    that each coordinate moves by about d. Source: Pang et al. 2020, arXiv 2007.03317.
    """
    _check(x, v, "v")
    require_positive(delta=delta)
    up, e, down = value(energy, torch.cat([x + delta * v, x, x - delta * v])).chunk(3)
    slope, bend = (up - down) / (2 * delta), (up - 2 * e + down) / delta**2
    value_ = (0.5 * slope.square() - bend).mean()
    return Loss(value_, {"energy": e.detach().mean(), "trace": -bend.detach().mean()})


def denoising(
    energy: Energy,
    x: Tensor,
    eps: Tensor,
    sigma: float | Tensor,
    *,
    temperature: float | Tensor = 1.0,
    weight: float | Tensor = 1.0,
) -> Loss:
    """|sigma s(x + sigma eps) + eps|^2 / 2 with s = -grad E / T, for one `sigma` or one a row `(B,)`.

    `temperature` T, one or `(B,)`: one energy serves a ladder of noises where level i reads it at T_i =
    sigma_i^2 / sigma_0^2, which is the multi-scale loss |x - x' + sigma_0^2 grad E(x')|^2 / (2 sigma_i^2) at
    x' = x + sigma_i eps (Z. Li, Y. Chen, F. Sommer 2019, arXiv 1910.07762). `weight`: of the loss of every
    row, one or `(B,)`. Metric `residual`: the mean of
    (sigma s + eps)^2 over coordinates, 1 where E is flat. Source: Vincent 2011, times sigma^2.
    """
    _check(x, eps, "eps")
    sigma, temperature = _a_row(sigma, x, "sigma"), _a_row(temperature, x, "temperature")
    e, grad = value_and_grad(energy, x + expand(sigma, x) * eps, differentiable=True)
    residual = eps - expand(sigma / temperature, x) * cast(Tensor, grad)
    half = 0.5 * dot(residual, residual) * weight
    told = {"residual": residual.detach().square().mean(), **_about(e, grad)}
    return Loss((half + 0 * e).mean(), told)


def tweedie(x: Tensor, sigma: float | Tensor, score: Tensor) -> Tensor:
    """x + sigma^2 s(x), the mean of clean data given `x` with noise `sigma` (one or `(B,)`) on them.

    `score` is grad log of the *noisy* density, `(B, *event)`. Source: H. Robbins 1956 after M. Tweedie; B.
    Efron, JASA 106, 2011.
    """
    _check(x, score, "score")
    return x + expand(_a_row(sigma, x, "sigma").square(), x) * score


def probe(like: Tensor, rng: torch.Generator, kind: Probe = "rademacher") -> Tensor:
    """Random directions v with mean v v' = I, of the shape of `like` `(B, *event)`.

    rademacher: signs; gaussian: N(0, I); sphere: uniform directions of length root D. Signs have the least
    variance. Raises `UsageError` for another kind.
    """
    if kind not in get_args(Probe):
        raise unknown("probe", kind, get_args(Probe))
    if kind == "rademacher":
        signs = torch.randint(2, like.shape, generator=rng, device=like.device)
        return 2 * signs.to(like.dtype) - 1
    v = torch.randn(like.shape, generator=rng, device=like.device, dtype=like.dtype)
    return v if kind == "gaussian" else v * expand(like[0].numel() ** 0.5 / norm(v), v)


def _of_trace(e: Tensor, grad: object, trace: Tensor, half_square: Tensor) -> Loss:
    told = {"trace": trace.detach().mean(), **_about(e, cast(Tensor, grad))}
    return Loss((half_square + trace + 0 * e).mean(), told)


def _about(e: Tensor, grad: object) -> dict[str, Tensor]:
    return {"energy": e.detach().mean(), "score_norm": norm(cast(Tensor, grad).detach()).mean()}


def _a_row(number: float | Tensor, x: Tensor, name: str) -> Tensor:
    """`number` as `(B,)`; raises `UsageError` for other shapes and for numbers that are not positive."""
    rows = torch.as_tensor(number, dtype=x.dtype, device=x.device)
    if rows.dim() > 1 or (rows.dim() == 1 and len(rows) != len(x)) or not bool((rows > 0).all()):
        raise UsageError(
            f"{name} has shape {tuple(rows.shape)} for {len(x)} rows: give one positive number, or one a row"
        )
    return rows.expand(len(x))


def _check(x: Tensor, other: Tensor, name: str) -> None:
    if other.shape != x.shape or x.dim() < 2:
        raise UsageError(
            f"x has shape {tuple(x.shape)} and {name} {tuple(other.shape)}: give two of one shape (B, *event)"
        )
