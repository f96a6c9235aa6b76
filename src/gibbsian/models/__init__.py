"""Models, learners and samplers: a folder a paper, and the contracts that they keep.

What one needs to write a paper is exported here, and imported when first used, so that settings are read
without torch: `from gibbsian.models import Learner, NetEnergy, ...`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "ChainConfig": "..mcmc.settings",
    "LatentConfig": "..mcmc.settings",
    "LossConfig": "..objectives.settings",
    "PixelConfig": "..data.settings",
    "StartConfig": "..starts.settings",
    "AnyNet": "..nets.families",
    "DataSpec": "..core.spec",
    "kernel_of": "..mcmc.kernels",
    "EnergyModel": ".model",
    "NetEnergy": ".net_energy",
    "JointEnergy": ".joint_energy",
    "Learner": ".learner",
    "Sampler": ".sampler",
    "ChainStage": ".sampler",
    "ChainSampler": ".samplers",
    "StoredChains": ".stored",
    "chain_ends": ".contrastive",
    "contrastive_loss": ".contrastive",
    "energies_of_both": ".contrastive",
    "energy_net": ".networks",
    "noised_data": ".data_noise",
    "PaperEntry": ".papers",
    "register_paper": ".papers",
}

__all__ = list(_NAMES)

if TYPE_CHECKING:
    from ..core.spec import DataSpec
    from ..data.settings import PixelConfig
    from ..mcmc.kernels import kernel_of
    from ..mcmc.settings import ChainConfig, LatentConfig
    from ..nets.families import AnyNet
    from ..objectives.settings import LossConfig
    from ..starts.settings import StartConfig
    from .contrastive import chain_ends, contrastive_loss, energies_of_both
    from .data_noise import noised_data
    from .joint_energy import JointEnergy
    from .learner import Learner
    from .model import EnergyModel
    from .net_energy import NetEnergy
    from .networks import energy_net
    from .papers import PaperEntry, register_paper
    from .sampler import ChainStage, Sampler
    from .samplers import ChainSampler
    from .stored import StoredChains


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_NAMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
