"""How sampling chains fare: what their kernels tell, and whether their energies mix."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.position import Position
from ..mcmc.state import ChainInfo, ChainState
from ..metrics.chains import ess, rhat
from ..systems.base import Plan, Samples, System, advance, sample
from ..systems.frozen import frozen

CHAINS, KEPT = 64, 50


def chain_report(
    system: System, rng: torch.Generator, plan: Callable[..., Plan] | None = None
) -> dict[str, float]:
    """Diagnostics of `CHAINS` sampling chains from noise, over all legs of their plan: ESS and split R-hat of
    the surprisal over the second half of the way, acceptance, drift/noise ratio, saturation. Short-run chains
    are not meant to have converged: an R-hat far above 1.01 then says just that."""
    y = classes_in_turn(system, CHAINS, rng)
    steps = plan_steps(system, rng, plan)
    kept: list[Position] = []
    thin, made = max(1, steps // KEPT), 0

    def observe(step: int, state: ChainState, info: ChainInfo) -> None:
        nonlocal made
        made += 1
        if made % thin == 0:
            kept.append(state.position)

    drawn = sample(system, CHAINS, rng=rng, y=y, plan=plan, observe=observe)
    out = {"steps": float(steps), **_leg_means(drawn)}
    energies = _energies(system, kept, y)
    if energies is not None and energies.shape[1] >= 8:
        half = energies[:, energies.shape[1] // 2 :]
        out |= {"energy_ess": float(ess(half)), "energy_rhat": float(rhat(half))}
    return {**out, "energy_end": float(drawn.energy.mean())}


def classes_in_turn(system: System, n: int, rng: torch.Generator) -> Tensor | None:
    """Labels 0, 1, ... over and over, `(n,)`; none for a model without labels."""
    classes = system.config.net.classes
    return torch.arange(n, device=rng.device) % classes if classes else None


def _leg_means(drawn: Samples) -> dict[str, float]:
    """What the kernel of every leg that moves tells, averaged over steps; `divergent` is a share of chains,
    at any time."""
    infos = [chain.info for chain in drawn.chains]
    moving = [i for i in infos if i.steps]
    weights = torch.tensor([float(i.steps) for i in moving], dtype=torch.float64)
    out = {}
    for key in ("acceptance", "drift_noise", "saturated", "clipped"):
        known = [getattr(i, key) for i in moving]
        if known and all(v is not None for v in known):
            means = torch.tensor([float(v.float().mean()) for v in known], dtype=torch.float64)
            out[key] = float((means * weights).sum() / weights.sum())
    return {**out, "divergent": float(torch.stack([i.divergent for i in infos]).any(0).float().mean())}


def plan_steps(system: System, rng: torch.Generator, plan: Callable[..., Plan] | None = None) -> int:
    """Steps of all legs of a plan, by default the system's own; none of them is run."""
    total = 0
    with frozen(system):
        legs = (plan or system.plan)(1, rng)
        leg = next(legs, None)
        while leg is not None:
            total += leg.steps
            leg = advance(legs, leg.position)
    return total


def _energies(system: System, kept: list[Position], y: Tensor | None) -> Tensor | None:
    """Surprisal at the kept positions, `(chains, kept)`; none where it is not finite."""
    if not kept:
        return None
    with frozen(system), torch.no_grad():
        values = torch.stack([system.surprisal(system.decode(x), y) for x in kept], dim=1)
    return values.cpu() if bool(torch.isfinite(values).all()) else None
