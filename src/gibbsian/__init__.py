"""gibbsian: deep energy-based generative models, p(x) ~ q(x) exp(-E(x)), in PyTorch.

Names are imported when first used, so that `import gibbsian` and the command line's `--help` stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

_NAMES = {
    "fit": "train.fit",
    "load": "train.load",
    "sample": "models.draw",
    "run": "mcmc.base",
    "build": "models.registry",
    "describe": "nets.describe",
    "Langevin": "mcmc.langevin",
    "MALA": "mcmc.mala",
    "HMC": "mcmc.hmc",
    "Underdamped": "mcmc.underdamped",
    "IndependentMH": "mcmc.independent",
    "tune": "mcmc.tuning",
    "score": "core.energy",
    "value_and_grad": "core.energy",
    "Batch": "core.records",
    "Loss": "core.records",
    "Streams": "core.random",
    "generator": "core.random",
    "dataset": "data.load",
    "frozen": "nets.frozen",
    "product": "models.model",
    "EnergyModel": "models.model",
    "NetEnergy": "models.net_energy",
    "Learner": "models.learner",
    "Sampler": "models.sampler",
    "ChainStage": "models.sampler",
    "RunOptions": "models.sampler",
    "load_run": "train.load",
}
_RENAMED = {"dataset": "load"}

__all__ = ["__version__", *_NAMES]

if TYPE_CHECKING:
    from .core.energy import score, value_and_grad
    from .core.random import Streams, generator
    from .core.records import Batch, Loss
    from .data.load import load as dataset
    from .mcmc.base import run
    from .mcmc.hmc import HMC
    from .mcmc.independent import IndependentMH
    from .mcmc.langevin import Langevin
    from .mcmc.mala import MALA
    from .mcmc.tuning import tune
    from .mcmc.underdamped import Underdamped
    from .models.build import build
    from .models.draw import sample
    from .models.learner import Learner
    from .models.model import EnergyModel, product
    from .models.net_energy import NetEnergy
    from .models.sampler import ChainStage, RunOptions, Sampler
    from .nets.describe import describe
    from .nets.frozen import frozen
    from .train.fit import fit
    from .train.load import load, load_run


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'gibbsian' has no attribute '{name}'")
    module = importlib.import_module(f".{_NAMES[name]}", __name__)
    return getattr(module, _RENAMED.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
