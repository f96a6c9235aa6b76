"""`--latent.beta 10 --latent.kernel kinetic`: another way to draw the latents of a system that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.config import override
from ..core.errors import UsageError
from ..recipes.latent import LatentConfig
from .options import Given, Setting
from .settings import listed

if TYPE_CHECKING:
    from ..systems.base import Planner, System

PREFIX = "latent."


def latent_settings(given: Given) -> list[Setting]:
    """The settings of `LatentConfig`; what is not given stays as the run was trained with."""
    return listed(LatentConfig(), PREFIX)


def latent_plan(system: System, settings: Mapping[str, Any] | None) -> Planner | None:
    """The plan by changed latent settings, none where nothing is changed.

    Raises `UsageError` for a system whose chains do not move latents, and for bad values.
    """
    from ..systems.latent import Latent

    changes = {k.removeprefix(PREFIX): v for k, v in (settings or {}).items() if k.startswith(PREFIX)}
    if not changes:
        return None
    if not isinstance(system, Latent):
        raise UsageError(
            f"--{PREFIX}{next(iter(changes))} is for systems with latents (gebm, vaebm): leave it out"
        )
    return system.drawn_by(override(system.drawing, changes))
