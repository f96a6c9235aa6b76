"""Models, learners and samplers: a folder a paper, and the contracts that they keep.

A paper is a frozen dataclass of settings, a `Learner` whose `losses` yields (group, Loss) and is resumed
after that optimiser step, and `build(config, event_shape, rng, net=None)` that returns it with its model,
whose `samplers["default"]` draws samples. In my_file.py `PAPER = PaperEntry(name, Config, build)` joins it:

    gibbsian train my_file.py:PAPER --data digits

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
    "Batch": "..core.records",
    "Loss": "..core.records",
    "DataSpec": "..core.spec",
    "seeded_init": "..core.random",
    "kernel_of": "..mcmc.kernels",
    "EnergyModel": ".model",
    "NetEnergy": ".net_energy",
    "JointEnergy": ".joint_energy",
    "Learner": ".learner",
    "ContrastiveLearner": ".contrastive_learner",
    "Sampler": ".sampler",
    "ChainStage": ".sampler",
    "ChainSampler": ".chain_sampler",
    "chain_kernel": ".chain_sampler",
    "init_noise": ".chains",
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
    from ..core.random import seeded_init
    from ..core.records import Batch, Loss
    from ..core.spec import DataSpec
    from ..data.settings import PixelConfig
    from ..mcmc.kernels import kernel_of
    from ..mcmc.settings import ChainConfig, LatentConfig
    from ..nets.families import AnyNet
    from ..objectives.settings import LossConfig
    from ..starts.settings import StartConfig
    from .chain_sampler import ChainSampler, chain_kernel
    from .chains import init_noise
    from .contrastive import chain_ends, contrastive_loss, energies_of_both
    from .contrastive_learner import ContrastiveLearner
    from .data_noise import noised_data
    from .joint_energy import JointEnergy
    from .learner import Learner
    from .model import EnergyModel
    from .net_energy import NetEnergy
    from .networks import energy_net
    from .papers import PaperEntry, register_paper
    from .sampler import ChainStage, Sampler
    from .stored import StoredChains


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_NAMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
