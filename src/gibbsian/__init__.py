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
    "sample": "train.draw",
    "run": "mcmc.base",
    "make": "systems.registry",
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
    "frozen": "systems.frozen",
    "System": "systems.base",
    "Leg": "systems.base",
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
    from .nets.describe import describe
    from .systems.base import Leg, System
    from .systems.frozen import frozen
    from .systems.registry import make
    from .train.draw import sample
    from .train.fit import fit
    from .train.load import load


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'gibbsian' has no attribute '{name}'")
    module = importlib.import_module(f".{_NAMES[name]}", __name__)
    return getattr(module, _RENAMED.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
