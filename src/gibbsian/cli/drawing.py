"""`--latent.beta 10`, `--sampling.corrections 4`: to draw in another way than that of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.config import override
from ..core.errors import UsageError
from ..mcmc.settings import LatentConfig
from ..models.noise_energy.config import LevelSamplingConfig
from .kernels import kernel_settings
from .options import Given, Setting
from .settings import listed

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..models.sampler import Sampler

SECTIONS = {
    "latent": (LatentConfig, "models with latents (gebm, vaebm)"),
    "sampling": (LevelSamplingConfig, "energies over noise levels (noise_energy)"),
}
"""Settings of each section, and whose it is."""


def drawing_settings(given: Given) -> list[Setting]:
    """The settings of all sections; what is not given stays as the run was trained with."""
    return [setting for name, (config, _) in SECTIONS.items() for setting in listed(config(), f"{name}.")]


def moving_settings(given: Given) -> list[Setting]:
    """`--kernel.*` of the kernel on the command line, and those of all sections."""
    return [*kernel_settings(given), *drawing_settings(given)]


def apart(settings: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """`settings` of a kernel, and those of sections."""
    given, drawing = dict(settings or {}), of_drawing(settings)
    return {k: v for k, v in given.items() if k not in drawing}, drawing


def of_drawing(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those of `settings` that are of sections."""
    return {k: v for k, v in (settings or {}).items() if k.partition(".")[0] in SECTIONS}


def redrawn(model: EnergyModel, settings: Mapping[str, Any] | None) -> EnergyModel:
    """`model`, whose default sampler draws by `settings`; raises as `drawing_sampler`."""
    changed = drawing_sampler(model, settings)
    if changed is not None:
        model.samplers["default"] = changed
    return model


def drawing_sampler(model: EnergyModel, settings: Mapping[str, Any] | None) -> Sampler | None:
    """The sampler of changed settings, none where nothing is changed.

    Raises `UsageError` for a model that has other settings or none, and for bad values.
    """
    from ..models.capabilities import Adjustable, offered

    given = of_drawing(settings)
    if not given:
        return None
    adjustable = offered(model, Adjustable)
    for name in given:
        wanted = name.partition(".")[0]
        if adjustable is None or adjustable.section != wanted:
            raise UsageError(f"--{name} is for {SECTIONS[wanted][1]}: leave it out")
    assert adjustable is not None
    changes = {name.partition(".")[2]: value for name, value in given.items()}
    return adjustable.sampler_with(override(getattr(adjustable, adjustable.section), changes))
