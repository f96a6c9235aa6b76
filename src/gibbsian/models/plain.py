"""Losses as plain functions, for a training loop of one's own.

    loss = persistent_contrastive_divergence(net, x, kernel, buffer, steps=20)
    opt.zero_grad(); loss.backward(); opt.step()

Each returns a scalar whose gradient by the parameters is that of the objective. `energy` is any callable
from data `(B, *event)` to `(B,)` or `(B, 1)`, such as an `nn.Module`; with labels it is called as
`energy(x, y)`. Chains run on it in eval mode and without parameter gradients, and leave it as it was.

`rng` is a generator on the device of `x`, or None for torch's own generator; a seed raises `UsageError`,
since each call would draw the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..core.energy import value
from ..core.errors import UsageError
from ..core.position import Position, cat, finite, leaves, where
from ..core.random import as_stream
from ..core.records import Batch
from ..energies.conditional import Given
from ..mcmc.base import run
from ..mcmc.kernel import Kernel
from ..nets.given import flat, kinked_layer
from ..objectives.contrast import contrast
from ..objectives.nce import nce
from ..objectives.score_matching import denoising, probe, sliced
from ..starts.base import BufferSample, Start
from ..starts.noise import redraw
from ..starts.replay import ReplayBuffer


class Noise(Protocol):
    """A density to tell data from: exact draws and an exact log-density."""

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """`n` independent draws `(n, *event)`."""
        ...

    def log_density(self, x: Tensor) -> Tensor:
        """log q(x) in nats, `(B,)`."""
        ...


def persistent_contrastive_divergence(
    energy: Callable[..., Tensor],
    x: Tensor,
    kernel: Kernel,
    buffer: ReplayBuffer,
    *,
    steps: int,
    y: Tensor | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """mean E(x) - mean E(x'), where the x' are as many chains of `buffer`, moved on by `steps` of `kernel`.

    The ends of the chains are stored in the buffer before this returns. An end that is not finite is
    counted in `buffer.rejected`, its slot restarts, and fresh noise takes its place in the loss.

    Args:
        energy: E, see the top of this file.
        x: data `(B, *event)`.
        kernel: such as `Langevin(0.02)`; at temperature T the gradient is T times that of -log p.
        buffer: chains of the shape of one datum; one with `classes` for labelled data.
        steps: steps of a chain, 0 or more.
        y: labels `(B,)` of the data. The chains have those that the buffer gives them.
        rng: a generator, or None for torch's own.

    Raises:
        UsageError: for chains of another shape than the data, labels without a buffer that has classes, a
            buffer with fewer free chains than B, or a seed as `rng`.

    Source: T. Tieleman, ICML 2008; Y. Du and I. Mordatch, NeurIPS 2019, arXiv 1903.08689.
    """
    rng = as_stream(rng, x.device)
    drawn = buffer.draw(len(x), rng, batch=Batch(x, y))
    end = _chain_end(energy, x, kernel, drawn, steps, y, rng)
    buffer.write(drawn, end)
    return _contrast(energy, x, redraw(end, ~finite(end), buffer.init_noise, rng), y, drawn.y)


def contrastive_divergence(
    energy: Callable[..., Tensor],
    x: Tensor,
    kernel: Kernel,
    *,
    steps: int,
    start: Start | None = None,
    y: Tensor | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """mean E(x) - mean E(x'), where the x' end chains of `steps` of `kernel` that begin at the data.

    An end that is not finite is replaced by the place where its chain began.

    Args:
        energy: E, see the top of this file.
        x: data `(B, *event)`.
        kernel: such as `Langevin(0.02)`.
        steps: steps of a chain, 0 or more.
        start: where chains begin instead, such as `UniformNoise` for short-run learning (E. Nijkamp et al.
            2019, arXiv 1904.09770).
        y: labels `(B,)` of the data and of the chains.
        rng: a generator, or None for torch's own.

    Raises:
        UsageError: for chains of another shape than the data, or a seed as `rng`.

    Source: G. E. Hinton, Neural Computation 14, 2002.
    """
    rng = as_stream(rng, x.device)
    if start is None:
        drawn = BufferSample(x.detach(), y, None, torch.ones(len(x), dtype=torch.bool, device=x.device))
    else:
        drawn = start.draw(len(x), rng, batch=Batch(x, y), y=y)
    end = _chain_end(energy, x, kernel, drawn, steps, y, rng)
    return _contrast(energy, x, where(finite(end), end, drawn.position), y, drawn.y)


def denoising_score_matching(
    energy: Callable[..., Tensor],
    x: Tensor,
    sigma: float | Tensor,
    rng: torch.Generator | None = None,
) -> Tensor:
    """mean |sigma grad E(x + sigma eps) - eps|^2 / 2 over rows, eps standard normal; no chains.

    Args:
        energy: E, smooth enough to be differentiated twice.
        x: data `(B, *event)`.
        sigma: noise to learn under, above 0, in units of x; one number or one a row `(B,)`.
        rng: a generator, or None for torch's own.

    Raises:
        UsageError: for a sigma that is not positive, or a seed as `rng`.

    Source: P. Vincent, Neural Computation 23, 2011, times sigma^2.
    """
    rng = as_stream(rng, x.device)
    eps = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    return denoising(energy, x, eps, sigma).value


def sliced_score_matching(
    energy: Callable[..., Tensor], x: Tensor, rng: torch.Generator | None = None
) -> Tensor:
    """mean of |grad E|^2 / 2 - v'(d2E/dx2)v over rows, v a random vector of signs; no chains.

    Args:
        energy: E, smooth (no kinked activations) and differentiated three times.
        x: data `(B, *event)` of a density without edges.
        rng: a generator, or None for torch's own.

    Raises:
        UsageError: for a seed as `rng`, and for networks that are linear but for the kinks of a layer.

    Source: Y. Song, S. Garg, J. Shi, S. Ermon, UAI 2019, arXiv 1905.07088.
    """
    loss = sliced(energy, x, probe(x, as_stream(rng, x.device)))
    layer = "" if torch.compiler.is_compiling() else kinked_layer(energy)
    if layer and not bool(loss.metrics["trace"]) and bool(loss.metrics["score_norm"]):
        raise UsageError(flat("energy", layer))
    return loss.value


def noise_contrastive_estimation(
    energy: Callable[..., Tensor],
    x: Tensor,
    noise: Noise,
    log_z: Tensor | float,
    rng: torch.Generator | None = None,
    *,
    ratio: int = 1,
) -> Tensor:
    """The logistic loss of telling data from `ratio` times as many draws of `noise`; no chains.

    At its optimum over E and `log_z`, E + log_z is -log p.

    Args:
        energy: E, see the top of this file.
        x: data `(B, *event)`.
        noise: a density with `draw(n, rng)` and `log_density(x)`, such as `GaussianDensity` or `Gaussian`;
            it must reach wherever data lie. No gradient goes to it.
        log_z: one number, most often an `nn.Parameter(torch.zeros(()))` that the optimiser also has.
        rng: a generator, or None for torch's own.
        ratio: draws of noise a datum, 1 or more.

    Raises:
        UsageError: for data where the noise has no mass, a `log_z` of several numbers, or a seed as `rng`.

    Source: M. Gutmann and A. Hyvärinen, JMLR 13, 2012.
    """
    if ratio < 1 or (isinstance(log_z, Tensor) and log_z.numel() != 1):
        raise UsageError(f"ratio is {ratio} and log_z is {log_z}: give 1 or more draws, and one number")
    with torch.no_grad():
        drawn = noise.draw(ratio * len(x), as_stream(rng, x.device)).to(x)
        log_q = noise.log_density(torch.cat([x, drawn])).to(x)
    if not bool((log_q[: len(x)] > -torch.inf).all()):
        raise UsageError("some data lie where the noise has no mass: take a wider noise")
    e_pos, e_neg = _energies(energy, x, drawn)
    c = log_z.reshape(()) if isinstance(log_z, Tensor) else log_z
    return nce(e_pos, e_neg, log_q[: len(x)], log_q[len(x) :], c).value


def _chain_end(
    energy: Callable[..., Tensor],
    x: Tensor,
    kernel: Kernel,
    drawn: BufferSample,
    steps: int,
    y: Tensor | None,
    rng: torch.Generator,
) -> Position:
    """Where drawn chains end, as they are."""
    begin = leaves(drawn.position)[0].shape[1:]
    if begin != x.shape[1:]:
        raise UsageError(f"data have shape {tuple(x.shape[1:])} and chains {tuple(begin)}: give one shape")
    if (y is None) != (drawn.y is None):
        raise UsageError("only data or only chains have labels: give y and a buffer with classes, or neither")
    moved = energy if drawn.y is None else Given(energy, drawn.y)
    return run(kernel, moved, drawn.position, steps=steps, rng=rng, evaluate=False).position


def _contrast(
    energy: Callable[..., Tensor], x: Tensor, x_neg: Position, y: Tensor | None, y_neg: Tensor | None
) -> Tensor:
    return contrast(*_energies(energy, x, x_neg, y, y_neg)).value


def _energies(
    energy: Callable[..., Tensor],
    x: Tensor,
    x_neg: Position,
    y: Tensor | None = None,
    y_neg: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """E of data and of chain ends or noise from one forward pass."""
    both = energy if y is None or y_neg is None else Given(energy, torch.cat([y, y_neg]))
    e = value(both, cat([x, x_neg]))
    return e[: len(x)], e[len(x) :]
