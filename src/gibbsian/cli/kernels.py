"""The kernels that `sample --kernel` offers: options without torch, and the plan that uses them.

Langevin replaces the system's own chain. The exact kernels begin where the system's own chain ends and sample
exp(-E/T), so the system must be `matched`, or T given. Their options are those of E/T at temperature 1; they
run as the same chains of E at T (steps s / T and h / sqrt T there), so that energies keep their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..core.config import from_dict
from ..core.errors import UsageError
from ..mcmc.settings import HmcOptions, LangevinOptions, MalaOptions, UnderdampedOptions
from .options import Given, Setting
from .settings import listed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..core.energy import Energy
    from ..core.position import Position
    from ..mcmc.base import Kernel
    from ..systems.base import Plan, System

    Planner = Callable[..., Plan]


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
    return _continued(plan, options, temperature or system.temperature)


def _replaced(plan: Planner, options: LangevinOptions, temperature: float | None) -> Planner:
    """The legs of a plan moved by plain Langevin."""
    from dataclasses import replace

    from ..mcmc.kernels import kernel_of
    from ..mcmc.langevin import Langevin
    from ..systems.base import advance

    def planned(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Plan:
        legs = plan(n, rng, y=y, steps=steps)
        leg = next(legs, None)
        while leg is not None:
            if not isinstance(leg.kernel, Langevin):
                raise UsageError("this system's chain is no Langevin chain: leave out --kernel")
            own = leg.kernel.at(0)
            t = own.temperature if temperature is None else temperature
            s = own.step_size if options.step_size is None else options.step_size
            kernel = kernel_of(options.kernel_settings(s, t))
            leg = advance(legs, (yield replace(leg, kernel=kernel)))

    return planned


def _continued(plan: Planner, options: Any, temperature: float) -> Planner:
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
        exact = build(options, temperature, leg.energy, end, rng)
        yield Leg(leg.energy, exact, steps or total or STILL, end)

    return planned


def build(options: Any, temperature: float, energy: Energy, x: Position, rng: torch.Generator) -> Kernel:
    """An exact kernel for exp(-E/T), its step size tuned from `x` unless it is given."""
    from ..mcmc.kernels import kernel_of
    from ..mcmc.tuning import tune

    if options.step_size is not None:
        return cast("Kernel", kernel_of(options.kernel_settings(options.step_size, temperature)))
    guess: Any = kernel_of(options.kernel_settings(FIRST_GUESS, temperature))
    return cast("Kernel", tune(guess, energy, x, rng, steps=TUNING))
