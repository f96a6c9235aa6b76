"""The kernels that `sample --kernel` offers: options without torch, and the sampler that uses them.

Langevin replaces the model's own chain. The exact kernels begin where the model's own chain ends and sample
exp(-E/T), so the model must be `matched`, or T given. Their options are those of E/T at temperature 1; they
run as the same chains of E at T (steps s / T and h / sqrt T there), so that energies keep their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..core.config import from_dict
from ..core.errors import UsageError
from ..mcmc.options import HmcOptions, LangevinOptions, MalaOptions, NutsOptions, UnderdampedOptions
from ..models.papers import OURS
from .options import Given, Setting
from .settings import listed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..core.energy import Energy
    from ..core.position import Position
    from ..mcmc.base import Kernel
    from ..models.model import EnergyModel
    from ..models.sampler import Sampler, Stages

    Planner = Callable[..., Stages]


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
    "nuts": KernelLine("Hamiltonian Monte Carlo of the length that each chain needs", True, NutsOptions),
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
    model: EnergyModel, sampler: Sampler, kernel: str, options: Any, temperature: float | None
) -> Sampler:
    """The sampler with another kernel; raises `UsageError` where the distribution to sample is undefined."""
    if temperature is not None and not temperature > 0:
        raise UsageError(f"--temperature is {temperature:g}: it must be above 0")
    if kernel == "langevin":
        return _replaced(sampler, options, temperature)
    if temperature is None and not model.claims_density:
        raise UsageError(f"--kernel {kernel} samples exp(-E/T), but {_no_temperature(model)}")
    return _continued(sampler, options, temperature or sampler.temperature)


def _no_temperature(model: EnergyModel) -> str:
    """Why a model claims no density, and what to do."""
    paper = model.record
    if paper and paper.name not in OURS:
        return (
            f"nothing says that the E/T of {paper.name} is -log p(x): give --temperature, such as 1, or set "
            "claims_density = True on the loss, or the settings, that fit it to be so"
        )
    return (
        "the training chain (clipped, clamped, short, of fading noise, or with negatives elsewhere than at "
        "its end) defines no T: give --temperature, such as 1 for latents, or train with a matched chain"
    )


def _replaced(sampler: Sampler, options: LangevinOptions, temperature: float | None) -> Sampler:
    """The stages of a sampler moved by plain Langevin."""
    from dataclasses import replace

    from ..mcmc.kernels import kernel_of
    from ..mcmc.langevin import Langevin
    from ..models.sampler import WrappedSampler, next_stage

    def stages(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Stages:
        made = sampler.stages(n, rng, y=y, steps=steps)
        stage = next(made, None)
        while stage is not None:
            if not isinstance(stage.kernel, Langevin):
                raise UsageError("this model's chain is no Langevin chain: leave out --kernel")
            own = stage.kernel.at(0)
            t = own.temperature if temperature is None else temperature
            s = own.step_size if options.step_size is None else options.step_size
            kernel = kernel_of(options.kernel_settings(s, t))
            stage = next_stage(made, (yield replace(stage, kernel=kernel)))

    return WrappedSampler(sampler, stages)


def _continued(sampler: Sampler, options: Any, temperature: float) -> Sampler:
    """The stages of a sampler, then `steps` of an exact kernel on the energy of the last one.

    By default as many as those stages have, or `STILL` where they have none (a base without a chain).
    """
    from ..models.sampler import ChainStage, WrappedSampler, next_stage

    def stages(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Stages:
        made = sampler.stages(n, rng, y=y)
        stage: ChainStage = next(made)
        following: ChainStage | None = stage
        total, end = 0, stage.position
        while following is not None:
            stage, total = following, total + following.steps
            end = yield stage
            following = next_stage(made, end)
        exact = build(options, temperature, stage.energy, end, rng)
        yield ChainStage(stage.energy, exact, steps or total or STILL, end)

    return WrappedSampler(sampler, stages)


def build(options: Any, temperature: float, energy: Energy, x: Position, rng: torch.Generator) -> Kernel:
    """An exact kernel for exp(-E/T), its step size tuned from `x` unless it is given."""
    from ..mcmc.kernels import kernel_of
    from ..mcmc.tuning import tune

    if options.step_size is not None:
        return cast("Kernel", kernel_of(options.kernel_settings(options.step_size, temperature)))
    guess: Any = kernel_of(options.kernel_settings(FIRST_GUESS, temperature))
    return cast("Kernel", tune(guess, energy, x, rng, steps=TUNING))
