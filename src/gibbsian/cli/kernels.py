"""The kernels that `sample --kernel` offers: options without torch, and the plan that uses them.

Langevin replaces the system's own chain. The exact kernels begin where the system's own chain ends and sample
exp(-E/T), so the system must be `matched`, or T given. Their options are those of E/T at temperature 1; they
run as the same chains of E at T (steps s / T and h / sqrt T there), so that energies keep their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.config import from_dict
from ..core.errors import UsageError
from .options import Given, Setting
from .settings import listed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..core.energy import Energy
    from ..core.position import Position
    from ..mcmc.base import Kernel
    from ..mcmc.tune import K
    from ..systems.base import Plan, System

    Planner = Callable[..., Plan]


@dataclass(frozen=True)
class LangevinOptions:
    """Options of `--kernel langevin`."""

    step_size: float | None = None
    """s of x' = x - (s/2) grad E + sqrt(s T) xi; by default the system's own."""


@dataclass(frozen=True)
class MalaOptions:
    """Options of `--kernel mala`."""

    step_size: float | None = None
    """s, in units of x squared over E/T; by default tuned to an acceptance of .574."""


@dataclass(frozen=True)
class HmcOptions:
    """Options of `--kernel hmc`."""

    step_size: float | None = None
    """h of a leapfrog, in units of x over the root of E/T; by default tuned to an acceptance of .65."""
    leapfrogs: int = 10
    """Leapfrog steps in one trajectory."""
    jitter: float = 0.1
    """Each chain's h is multiplied by a uniform from [1 - jitter, 1 + jitter]."""


@dataclass(frozen=True)
class UnderdampedOptions:
    """Options of `--kernel underdamped`."""

    step_size: float | None = None
    """h, in units of x over the root of E/T; by default tuned to an acceptance of .8."""
    friction: float = 1.0
    """Per unit of time; friction times h of .05 keeps a direction for 20 steps."""
    leapfrogs: int = 1
    """Leapfrog steps between two refreshments of the velocity."""


@dataclass(frozen=True)
class KernelLine:
    """One kernel: what it is, whether it leaves exp(-E/T) invariant at any step size, its options."""

    about: str
    exact: bool
    options: type[Any]


KERNELS = {
    "langevin": KernelLine(
        "unadjusted Langevin, without the clips and clamps of training", False, LangevinOptions
    ),
    "mala": KernelLine("Langevin proposals with a Metropolis test", True, MalaOptions),
    "hmc": KernelLine("Hamiltonian Monte Carlo, long moves with a Metropolis test", True, HmcOptions),
    "underdamped": KernelLine("kinetic Langevin (obabo) with a Metropolis test", True, UnderdampedOptions),
}
FIRST_GUESS, TUNING, STILL = 0.1, 100, 100


def kernel_settings(given: Given) -> list[Setting]:
    """`--kernel.step_size` and the like, for the kernel on the command line."""
    return listed(KERNELS[given["kernel"]].options(), "kernel.") if given.get("kernel") else []


def kernel_options(kernel: str | None, settings: Mapping[str, Any]) -> Any:
    """The options record of a kernel; raises `UsageError` for options without a kernel or of a wrong type."""
    if kernel is None:
        if settings:
            raise UsageError(f"--{next(iter(settings))} needs a kernel: add --kernel {' or '.join(KERNELS)}")
        return None
    own = {name.removeprefix("kernel."): value for name, value in settings.items()}
    return from_dict(KERNELS[kernel].options, own, "kernel.")


def with_kernel(
    system: System, plan: Planner, kernel: str, options: Any, temperature: float | None
) -> Planner:
    """The system's plan with another kernel; raises `UsageError` where the law to sample is undefined."""
    if temperature is not None and not temperature > 0:
        raise UsageError(f"--temperature is {temperature:g}: it must be above 0")
    if kernel == "langevin":
        return _replaced(plan, options, temperature)
    if temperature is None and not system.matched:
        raise UsageError(
            f"--kernel {kernel} samples exp(-E/T), but the training chain (clipped, clamped, short, of "
            "fading noise, or with negatives elsewhere than at its end) defines no T: give --temperature, "
            "such as 1 for latents, or train with a matched chain"
        )
    return _continued(plan, kernel, options, temperature or system.temperature)


def _replaced(plan: Planner, options: LangevinOptions, temperature: float | None) -> Planner:
    """The legs of a plan moved by plain Langevin."""
    from dataclasses import replace

    from ..mcmc.langevin import Langevin, Unadjusted
    from ..systems.base import advance

    def planned(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Plan:
        legs = plan(n, rng, y=y, steps=steps)
        leg = next(legs, None)
        while leg is not None:
            if not isinstance(leg.kernel, Unadjusted):
                raise UsageError("this system's chain is no Langevin chain: leave out --kernel")
            own = leg.kernel.move(0)
            t = own.temperature if temperature is None else temperature
            s = own.step_size if options.step_size is None else options.step_size
            leg = advance(legs, (yield replace(leg, kernel=Langevin(s, t))))

    return planned


def _continued(plan: Planner, kernel: str, options: Any, temperature: float) -> Planner:
    """The legs of a plan, then `steps` of an exact kernel on the energy of the last one; by default as many
    as those legs have, or `STILL` where they have none (a base that draws without a chain)."""
    from ..systems.base import Leg, advance

    def planned(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Plan:
        legs = plan(n, rng, y=y)
        leg: Leg = next(legs)
        following: Leg | None = leg
        total, end = 0, leg.position
        while following is not None:
            leg, total = following, total + following.steps
            end = yield leg
            following = advance(legs, end)
        exact = build(kernel, options, temperature, leg.energy, end, rng)
        yield Leg(leg.energy, exact, steps or total or STILL, end)

    return planned


def build(
    kernel: str, options: Any, temperature: float, energy: Energy, x: Position, rng: torch.Generator
) -> Kernel:
    """An exact kernel for exp(-E/T), its step size tuned from `x` unless it is given."""
    from ..mcmc.hmc import HMC
    from ..mcmc.mala import MALA
    from ..mcmc.tune import tune
    from ..mcmc.underdamped import Underdamped

    given, root = options.step_size is not None, temperature**0.5
    s = options.step_size if given else FIRST_GUESS

    def tuned(made: K) -> K:
        return made if given else tune(made, energy, x, rng, steps=TUNING)

    if kernel == "mala":
        return tuned(MALA(s / temperature, temperature))
    if kernel == "hmc":
        return tuned(HMC(s / root, options.leapfrogs, temperature, jitter=options.jitter))
    friction = options.friction * root
    return tuned(Underdamped(s / root, friction, temperature, "obabo", True, options.leapfrogs))
