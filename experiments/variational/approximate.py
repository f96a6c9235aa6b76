"""Variational approximation: a density q with exact draws, fitted to a target known up to Z.

    by "reverse_kl"   minimise KL(q || p) with p = exp(-E/T)/Z: from the energy alone, seeks modes
    by "likelihood"   minimise KL(p || q) from draws of p: covers modes

q is a Gaussian (`affine`) or a flow (`nets.flow`): x = G(z), z ~ N(0, I), with exact log q(x). The
gradient of the reverse KL follows only the path of the draws, d/dx [log q(x) + E(x)/T] at x = G(z): the rest,
of log q by its own parameters, is 0 on average and is left out, so that the gradient's noise vanishes as q
comes to p (G. Roeder, Y. Wu, D. Duvenaud, NeurIPS 2017, arXiv 1703.09194). Once fitted, q weighs the target:
log Z = log mean over q of exp(-E/T) / q, by importance sampling.

Source: D. Rezende, S. Mohamed, ICML 2015, arXiv 1505.05770.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from gibbsian.core.energy import Energy, value
from gibbsian.core.errors import DivergedError, UsageError, require_positive, unknown
from gibbsian.core.random import seeded_init
from gibbsian.core.records import Loss
from gibbsian.metrics.interval import Interval, quantile
from gibbsian.nets.flow import CouplingFlow
from gibbsian.nets.frozen import frozen
from gibbsian.nets.generator import FlowGenerator, build_generator
from gibbsian.nets.settings import GeneratorConfig
from gibbsian.objectives.nce import log_partition
from gibbsian.report.tables import over

from .affine import Affine
from .objectives import likelihood, reverse_kl

By: TypeAlias = Literal["reverse_kl", "likelihood"]
Density: TypeAlias = Affine | CouplingFlow | FlowGenerator
Draws: TypeAlias = Callable[[int, torch.Generator], Tensor]

FINAL, PARTS = 500, 20
"""Draws in each of the batches that the final loss is measured with, and their number."""


@dataclass(frozen=True, eq=False)
class Approximation:
    """A fitted q and how it came about.

    `history` `(steps,)`, float64: the loss of each update's batch. `loss`: that of the fitted q over 10,000
    fresh draws, in nats with its 95 % interval: KL(q || p) - log Z, or by likelihood KL(p || q) + H(p).
    """

    q: Density
    target: Energy
    temperature: float
    by: By
    history: Tensor
    loss: Interval

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` independent draws `(n, *event)` of q, on the device of `rng`."""
        return self.q(_latents(self.q, n, rng))

    @torch.no_grad()
    def log_density(self, x: Tensor) -> Tensor:
        """log q(x) in nats, `(B,)`, of `x` `(B, *event)`; its negative is an energy for grids."""
        return self.q.log_density(x)

    @torch.no_grad()
    def log_weights(self, n: int, rng: torch.Generator) -> Tensor:
        """-E(x)/T - log q(x) at `n` draws of q, `(n,)` float64, for `mcmc.importance`."""
        x = self.sample(n, rng)
        return -value(self.target, x).double() / self.temperature - self.q.log_density(x).double()

    def log_z(self, n: int, rng: torch.Generator, *, level: float = 0.95) -> Interval:
        """log Z of exp(-E/T) by importance sampling with `n` >= 2 draws of q, and its interval.

        log mean w +- z sd(w) / (mean(w) sqrt(n)), the delta method. It holds only if q covers p: where q left
        out a mode the estimate is too small, and no draw can tell: fit by likelihood, or take a wide q.
        """
        if n < 2:
            raise UsageError(f"n is {n}: an interval needs at least 2 draws")
        log_w = self.log_weights(n, rng)
        estimate = float(log_partition(-log_w, torch.zeros_like(log_w)))
        reach = quantile(level) * float((log_w - estimate).exp().std()) / math.sqrt(n)
        return Interval(estimate, estimate - reach, estimate + reach, level)


def approximate(
    target: Energy,
    q: Density | GeneratorConfig,
    *,
    by: By,
    steps: int = 2000,
    lr: float = 5e-3,
    batch: int = 256,
    rng: torch.Generator,
    draws: Draws | None = None,
    temperature: float = 1.0,
    event_shape: tuple[int, ...] = (2,),
    progress: Callable[[int, int], None] | None = None,
) -> Approximation:
    """Fit `q` to exp(-target/T) by Adam, its rate falling from `lr` to 0 along a cosine.

    Args:
        target: E on `(B, *event)`, differentiable by position for "reverse_kl". Put a network in eval mode
            first (`nets.frozen`); gradients of its own weights are left alone in any case.
        q: `Affine`, `CouplingFlow` or a flow generator, changed in place; or a `GeneratorConfig` of name
            "flow", built here for events of `event_shape` with weights from `rng`.
        batch: draws an update, of q or of the target.
        rng: the only source of randomness, on the device of q.
        draws: `draws(n, rng) -> (n, *event)` from the target at T; for "likelihood", and only for it.
        progress: called with (updates done, steps).

    Raises:
        UsageError: for a q without an exact density, and for arguments out of range or that do not fit.
        DivergedError: when the loss is no longer finite.
    """
    _check(by, draws, steps, lr, batch, temperature)
    fitted = _built(q, event_shape, rng)

    def loss(n: int) -> Loss:
        if draws is None:
            return _reverse_kl(fitted, target, n, rng, temperature)
        return likelihood(fitted.log_density(_drawn(fitted, draws, n, rng)))

    history = _descend(fitted, lambda: loss(batch), steps, lr, progress)
    with torch.no_grad():
        final = over([float(loss(FINAL).value) for _ in range(PARTS)])
    return Approximation(fitted, target, temperature, by, history, final)


def _descend(
    q: Density, loss: Callable[[], Loss], steps: int, lr: float, progress: Callable[[int, int], None] | None
) -> Tensor:
    """Losses `(steps,)` along the way."""
    params = list(q.parameters())
    optimizer = torch.optim.Adam(params, lr, fused=True)
    history = torch.zeros(steps, dtype=torch.float64)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        now = loss().value
        history[step] = now.detach()
        if not torch.isfinite(history[step]):
            raise DivergedError(
                f"the loss is {float(history[step])} at update {step}: q left the places where the target is "
                "finite; try a smaller lr, or a target without walls"
            )
        optimizer.zero_grad(set_to_none=True)
        now.backward(inputs=params)
        optimizer.step()
        if progress is not None:
            progress(step + 1, steps)
    return history


def _reverse_kl(q: Density, target: Energy, n: int, rng: torch.Generator, temperature: float) -> Loss:
    """The objective at n draws; its graph leads through the draws alone (see the module)."""
    x = q(_latents(q, n, rng))
    with frozen(q):
        log_q = q.log_density(x)
    return reverse_kl(log_q, value(target, x), temperature=temperature)


def _latents(q: Density, n: int, rng: torch.Generator) -> Tensor:
    """Standard normal `(n, D)`, in the dtype of the weights."""
    size = q.latent if isinstance(q, FlowGenerator) else q.features
    return torch.randn(n, size, generator=rng, device=rng.device, dtype=next(q.parameters()).dtype)


def _drawn(q: Density, draws: Draws, n: int, rng: torch.Generator) -> Tensor:
    """Draws of the target, in the dtype of the weights."""
    x = draws(n, rng)
    event = q.event_shape if isinstance(q, FlowGenerator) else (q.features,)
    if x.shape != (n, *event):
        raise UsageError(f"draws({n}, rng) gave shape {tuple(x.shape)}: q is on events of {event}")
    return x.to(next(q.parameters()))


def _built(q: Density | GeneratorConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> Density:
    if isinstance(q, GeneratorConfig):
        with seeded_init(rng):
            built = build_generator(q, event_shape).to(rng.device)
        if not isinstance(built, FlowGenerator):
            raise UsageError(f"a generator '{q.name}' has no density: set its name to flow")
        return built
    if not isinstance(q, (Affine, CouplingFlow, FlowGenerator)):
        raise UsageError(f"q is a {type(q).__name__}: give Affine, CouplingFlow or a flow generator")
    return q


def _check(by: str, draws: Draws | None, steps: int, lr: float, batch: int, temperature: float) -> None:
    if by not in get_args(By):
        raise unknown("way to fit", by, get_args(By))
    if by == "likelihood" and draws is None:
        raise UsageError("likelihood needs data: give draws(n, rng), or fit by reverse_kl from the energy")
    if by == "reverse_kl" and draws is not None:
        raise UsageError("reverse_kl looks at the energy only: leave draws out, or fit by likelihood")
    require_positive(steps=steps, lr=lr, batch=batch, temperature=temperature)
