"""Five seconds of proof on this machine: sign, gradient, loss, kernels. Float64 on the CPU, fixed seeds.

Every bound is a z-score of 5 or a rounding error, so a healthy machine fails once in a million times.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..core.energy import score_function, value_and_grad
from ..core.position import Position
from ..core.random import Streams, generator, seeded_init
from ..energies.analytic import Gaussian, Skewed
from ..mcmc.base import Kernel, run
from ..mcmc.hmc import HMC
from ..mcmc.langevin import Langevin
from ..mcmc.mala import MALA
from ..mcmc.nuts import NUTS
from ..nets.build import build
from ..nets.settings import ConvConfig
from ..objectives.contrast import contrast

F64, CHAINS, LIMIT = torch.float64, 4000, 5.0


def sign() -> tuple[bool, str]:
    """The score of N(0, I) at x is -x."""
    x = torch.randn(100, 3, generator=generator(0), dtype=F64)
    error = _largest(score_function(Gaussian([0.0] * 3, torch.eye(3), dtype=F64), x), -x)
    return error < 1e-12, f"score of a Gaussian is off by {error:.0e}"


def gradient() -> tuple[bool, str]:
    """dE/dx of a small network against central differences."""
    with seeded_init(Streams(0).init):
        net = build(ConvConfig(channels=(8, 8), activation="swish"), (1, 8, 8)).double().eval()
    rng = generator(1)
    x, v = (torch.randn(4, 1, 8, 8, generator=rng, dtype=F64) for _ in range(2))
    _, grad = value_and_grad(net, x)
    assert isinstance(grad, Tensor)
    with torch.no_grad():
        numeric = (net(x + 1e-5 * v) - net(x - 1e-5 * v)) / 2e-5
    error = _largest((grad * v).flatten(1).sum(1), numeric)
    return error < 1e-6, f"gradient of a network is off by {error:.0e}"


def loss() -> tuple[bool, str]:
    """Descending the contrastive loss lowers the energy of data and raises that of negatives."""
    e = torch.zeros(2, dtype=F64, requires_grad=True)
    contrast(e[:1], e[1:]).value.backward()
    assert e.grad is not None
    return e.grad.tolist() == [1.0, -1.0], f"contrastive loss has slopes {e.grad.tolist()} (data, negatives)"


def unadjusted() -> tuple[bool, str]:
    """Langevin of step s on N(0, 1) has variance 1 / (1 - s/4)."""
    s = 0.5
    x = _moved(Langevin(s), Gaussian([0.0], [[1.0]], dtype=F64), torch.zeros(CHAINS, 1, dtype=F64), 60)
    return _within(
        "Langevin's variance", float(x.var()), 1 / (1 - s / 4), math.sqrt(2 / CHAINS) / (1 - s / 4)
    )


def exact(kernel: Kernel) -> tuple[bool, str]:
    """A Metropolis kernel keeps the mean of a skewed target that it starts from."""
    target = Skewed((2.0,), dtype=F64)
    x = _moved(kernel, target, target.draw(CHAINS, generator(2)), 60)
    spread = math.sqrt(float(target.var[0]) / CHAINS)
    return _within(f"{type(kernel).__name__}'s mean", float(x.mean()), float(target.mean[0]), spread)


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "sign": sign,
    "gradient": gradient,
    "loss": loss,
    "langevin": unadjusted,
    "mala": lambda: exact(MALA(1.0)),
    "hmc": lambda: exact(HMC(0.5, 4)),
    "nuts": lambda: exact(NUTS(0.5)),
}


def _moved(kernel: Kernel, energy: Callable[[Position], Tensor], x: Tensor, steps: int) -> Tensor:
    end = run(kernel, energy, x, steps=steps, rng=generator(3)).position
    assert isinstance(end, Tensor)
    return end


def _within(what: str, got: float, wanted: float, spread: float) -> tuple[bool, str]:
    return abs(got - wanted) < LIMIT * spread, f"{what} is {got:.3f}, exactly {wanted:.3f} +- {spread:.3f}"


def _largest(a: Position, b: Position) -> float:
    assert isinstance(a, Tensor) and isinstance(b, Tensor)
    return float((a - b).abs().max())
