"""Diagnostics of chains: effective sample size, R-hat, Monte Carlo error, drift.

`x` is (chains, draws) for one quantity or (chains, draws, *quantities); results have the shape of
the quantities. Following Vehtari, Gelman, Simpson, Carpenter, Burkner 2021 (arXiv 1903.08008):
chains are split in halves, values replaced by normal scores of their ranks,

    tau = -1 + 2 sum_k P_k,   P_k = rho_2k + rho_2k+1,   ESS = chains * draws / tau

with rho_t the autocorrelation combined over chains, pairs summed while positive (Geyer 1992's initial
positive sequence) and not allowed to rise (initial monotone sequence). A quantity that never moves
has no effective sample size: NaN, not the number of draws.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.errors import UsageError

METHODS = ("bulk", "mean", "tail")


def ess(x: Tensor, method: str = "bulk") -> Tensor:
    """Effective number of independent draws.

    `method`: "bulk" (rank-normalised), "mean" (of the values as they are), "tail" (the smaller one of
    the 5 % and 95 % quantiles).
    """
    flat, shape = _quantities(x)
    if method not in METHODS:
        raise UsageError(f"method is '{method}': choose from {', '.join(METHODS)}")
    if method == "tail":
        out = torch.minimum(_quantile_ess(flat, 0.05), _quantile_ess(flat, 0.95))
    else:
        halves = _split(flat)
        out = _geyer(_normal_scores(halves) if method == "bulk" else halves)
    return out.reshape(shape)


def rhat(x: Tensor) -> Tensor:
    """Rank-normalised split R-hat, the larger one of location and (folded) scale; 1 when mixed.

    Above 1.01 the chains do not agree yet. Needs at least 2 chains.
    """
    flat, shape = _quantities(x)
    if flat.shape[1] < 2:
        raise UsageError("R-hat compares chains: at least 2 are needed, got 1")
    halves = _split(flat)
    folded = (halves - _median(halves)).abs()
    return torch.maximum(_plain_rhat(_normal_scores(halves)), _plain_rhat(_normal_scores(folded))).reshape(
        shape
    )


def mcse_mean(x: Tensor) -> Tensor:
    """Standard error of the mean over all chains and draws, autocorrelation allowed for."""
    flat, shape = _quantities(x)
    return (flat.flatten(1).std(1) / _geyer(_split(flat)).sqrt()).reshape(shape)


def autocorrelation_time(x: Tensor) -> Tensor:
    """Draws that are worth one independent draw, chains * draws / ESS of the values as they are.

    (1 + r) / (1 - r) of a chain whose neighbours correlate by r and that forgets exponentially.
    """
    flat, shape = _quantities(x)
    return (x.shape[0] * x.shape[1] / _geyer(_split(flat))).reshape(shape)


def switch_rate(modes: Tensor) -> float:
    """Share of neighbouring draws of a chain that lie in different modes, from numbers `(chains, draws)`.

    0 of chains that stay where they began, whatever R-hat says of their energies. Raises `UsageError` for
    another shape and fewer than 2 draws.
    """
    if modes.dim() != 2 or modes.shape[1] < 2:
        raise UsageError(f"modes have shape {tuple(modes.shape)}: (chains, draws), at least 2 draws")
    return float((modes[:, 1:] != modes[:, :-1]).double().mean())


def drift(x: Tensor, *, first: float = 0.2, last: float = 0.5) -> Tensor:
    """z-score of the mean over the `first` share of draws against that over the `last` (Geweke 1992).

    N(0, 1) for a stationary chain: beyond 3 either way it was still travelling.
    """
    if not (0 < first and 0 < last and first + last <= 1):
        raise UsageError(f"first and last are {first} and {last}: shares above 0 that add up to at most 1")
    draws = x.shape[1] if x.dim() > 1 else 0
    early, late = x[:, : int(first * draws)], x[:, draws - int(last * draws) :]
    gap = early.double().mean((0, 1)) - late.double().mean((0, 1))
    return gap / (mcse_mean(early).square() + mcse_mean(late).square()).sqrt()


def _quantities(x: Tensor) -> tuple[Tensor, torch.Size]:
    """float64 (quantities, chains, draws), and the shape of the quantities."""
    if x.dim() < 2 or x.shape[0] < 1 or x.shape[1] < 4:
        raise UsageError(f"chains have shape {tuple(x.shape)}: (chains, draws, ...), at least 4 draws")
    if not bool(torch.isfinite(x).all()):
        raise UsageError("the chains hold values that are not finite: drop those chains and count them first")
    flat = x.detach().double().reshape(x.shape[0], x.shape[1], -1).permute(2, 0, 1)
    return flat.contiguous(), x.shape[2:]


def _split(x: Tensor) -> Tensor:
    """(Q, C, D) to (Q, 2C, D // 2): both halves, the middle draw of an odd number left out."""
    half = x.shape[2] // 2
    return torch.cat([x[:, :, :half], x[:, :, -half:]], dim=1)


def _normal_scores(x: Tensor) -> Tensor:
    """Normal quantiles of the ranks over all chains, ties sharing their mean rank (Blom 1958)."""
    flat = x.flatten(1)
    ordered = flat.sort(1).values
    below = torch.searchsorted(ordered, flat, side="left")
    up_to = torch.searchsorted(ordered, flat, side="right")
    rank = (below + up_to + 1).double() / 2
    return torch.special.ndtri((rank - 0.375) / (flat.shape[1] + 0.25)).reshape(x.shape)


def _median(x: Tensor) -> Tensor:
    return x.flatten(1).quantile(0.5, dim=1)[:, None, None]


def _quantile_ess(x: Tensor, share: float) -> Tensor:
    """Effective sample size for the indicator of lying below a quantile."""
    level = x.flatten(1).quantile(share, dim=1)[:, None, None]
    return _geyer(_split((x <= level).double()))


def _autocovariance(x: Tensor) -> Tensor:
    """(..., D) at lags 0 to D - 1 about the mean of each chain, over D (not D - lag), by FFT."""
    n = x.shape[-1]
    centred = x - x.mean(-1, keepdim=True)
    power = torch.fft.rfft(centred, 2 ** math.ceil(math.log2(2 * n))).abs().square()
    return torch.fft.irfft(power)[..., :n] / n


def _combined(x: Tensor) -> Tensor:
    """Autocorrelations (Q, D) of all chains together: 1 - (W - mean autocovariance) / var+."""
    chains, n = x.shape[1:]
    covariance = _autocovariance(x).mean(1)
    within = covariance[:, :1] * n / (n - 1)
    between = x.mean(2).var(1, keepdim=True) if chains > 1 else torch.zeros_like(within)
    total = within * (n - 1) / n + between
    rho = 1 - (within - covariance) / total
    rho[:, 0] = 1
    return rho


def _geyer(x: Tensor) -> Tensor:
    """Effective sample size (Q,) of (Q, C, D) by Geyer's sequences; NaN where nothing moves."""
    chains, n = x.shape[1:]
    rho = _combined(x)
    even, odd = rho[:, 0 : n - 1 : 2], rho[:, 1::2]
    pairs = even + odd
    ends = (pairs <= 0) | (1 + 2 * torch.arange(pairs.shape[1]) >= n - 3)
    end = ends.int().argmax(1, keepdim=True)
    kept = torch.arange(pairs.shape[1]) < end
    tau = -1 + 2 * (pairs.cummin(1).values * kept).sum(1, keepdim=True)
    tail = even.gather(1, end)
    tau = tau + torch.where((tail > 0) | (pairs.gather(1, end) >= 0), tail, 0.0)
    size = torch.tensor(float(chains * n), dtype=torch.float64)
    out = size / tau.clamp(min=float(1 / size.log10())).squeeze(1)
    moves = x.flatten(1).amax(1) - x.flatten(1).amin(1) > 1e-15
    return torch.where(moves, out, torch.nan)


def _plain_rhat(x: Tensor) -> Tensor:
    """sqrt((B/W + n - 1) / n) for (Q, C, D)."""
    n = x.shape[2]
    between = n * x.mean(2).var(1)
    within = x.var(2).mean(1)
    return ((between / within + n - 1) / n).sqrt()
