"""Fitting a family q of exact density to a target p(x) = exp(-E(x)/T) / Z: two divergences, two characters.

    reverse KL   mean over x ~ q of log q(x) + E(x)/T   =  KL(q || p) - log Z      needs E, no data, no Z
    likelihood   mean over x ~ p of -log q(x)           =  KL(p || q) + H(p)       needs data, no E

The first is dear where q has mass and p has none, so a q too simple for p sits on one of its modes (mode
seeking); the second where p has mass and q has none, so such a q stretches over all modes and over what lies
between (mode covering). The smallest reverse KL is -log Z, at q = p; its negative is the evidence bound.

Sources: D. Blei, A. Kucukelbir, J. McAuliffe, JASA 112, 2017, arXiv 1601.00670, section 2.2; D. Rezende,
S. Mohamed, ICML 2015, arXiv 1505.05770 (q a flow). Numbers are in nats; tensors `(B,)`, one number a draw.
"""

from __future__ import annotations

from torch import Tensor

from gibbsian.core.errors import UsageError, require_positive
from gibbsian.core.records import Loss


def reverse_kl(log_q: Tensor, energies: Tensor, *, temperature: float = 1.0) -> Loss:
    """mean(log q(x) + E(x)/T) over draws x = G(z) of q: KL(q || exp(-E/T)/Z) - log Z, whatever Z is.

    The gradient reaches q through the draws, so both tensors must keep their graph to G.

    Args:
        log_q: log q(x) `(B,)`.
        energies: E(x) `(B,)`, known up to a constant; +inf where p has no mass makes the loss infinite.
        temperature: T > 0.

    Metrics: `entropy` (of q), `energy` (mean E, not over T), `elbo` (the negative loss, at most log Z on
    average). Raises `UsageError` for other shapes or T out of range.
    """
    require_positive(temperature=temperature)
    _check("log_q", log_q)
    if energies.shape != log_q.shape:
        raise UsageError(f"{tuple(energies.shape)} energies for {len(log_q)} draws: give one a draw, (B,)")
    value = (log_q + energies / temperature).mean()
    told = {"entropy": -log_q.detach().mean(), "energy": energies.detach().mean()}
    return Loss(value, {**told, "elbo": -value.detach()})


def likelihood(log_q: Tensor) -> Loss:
    """-mean log q(x) over data x ~ p, `log_q` `(B,)`: KL(p || q) plus the entropy of p. Metric: `nll`."""
    _check("log_q", log_q)
    value = -log_q.mean()
    return Loss(value, {"nll": value.detach()})


def _check(name: str, numbers: Tensor) -> None:
    if numbers.dim() != 1 or len(numbers) == 0:
        raise UsageError(f"{name} has shape {tuple(numbers.shape)}: give one number a draw, shape (B,)")
