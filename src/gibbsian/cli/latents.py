"""`--latent.beta 10 --latent.kernel kinetic`: another way to draw the latents of a model that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.config import override
from ..core.errors import UsageError
from ..mcmc.settings import LatentConfig
from .options import Given, Setting
from .settings import listed

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..models.sampler import Sampler

PREFIX = "latent."


def latent_settings(given: Given) -> list[Setting]:
    """The settings of `LatentConfig`; what is not given stays as the run was trained with."""
    return listed(LatentConfig(), PREFIX)


def latent_sampler(model: EnergyModel, settings: Mapping[str, Any] | None) -> Sampler | None:
    """The sampler of changed latent settings, none where nothing is changed.

    Raises `UsageError` for a model whose chains do not move latents, and for bad values.
    """
    from ..models.capabilities import LatentSettings

    changes = {k.removeprefix(PREFIX): v for k, v in (settings or {}).items() if k.startswith(PREFIX)}
    if not changes:
        return None
    if not isinstance(model, LatentSettings):
        raise UsageError(
            f"--{PREFIX}{next(iter(changes))} is for models with latents (gebm, vaebm): leave it out"
        )
    return model.sampler_with(override(model.latent, changes))
