"""gibbsian: deep energy-based generative models, p(x) ~ q(x) exp(-E(x)), in PyTorch.

Names are imported when first used, so that `import gibbsian` and the command line's `--help` stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

_NAMES = {
    # train and use models
    "fit": "train.fit",
    "load": "train.load",
    "load_run": "train.load",
    "sample": "models.draw",
    "build": "models.build",
    "product": "models.composed",
    "mixture": "models.composed",
    "negation": "models.composed",
    "conjunction": "models.composed",
    "conditional": "models.composed",
    "EnergyModel": "models.model",
    "NetEnergy": "models.net_energy",
    "Learner": "models.learner",
    "Sampler": "models.sampler",
    "ChainStage": "models.sampler",
    "RunOptions": "models.sampler",
    # data
    "dataset": "data.own",
    "from_arrays": "data.dataset",
    "Dataset": "data.dataset",
    # losses for a loop of one's own
    "persistent_contrastive_divergence": "models.plain",
    "contrastive_divergence": "models.plain",
    "denoising_score_matching": "models.plain",
    "sliced_score_matching": "models.plain",
    "noise_contrastive_estimation": "models.plain",
    # starts and buffers
    "UniformNoise": "starts.noise",
    "GaussianNoise": "starts.noise",
    "DataStart": "starts.data",
    "FixedNoise": "starts.fixed",
    "ReplayBuffer": "starts.replay",
    "ReservoirBuffer": "starts.reservoir",
    # chains
    "run": "mcmc.base",
    "tune": "mcmc.tuning",
    "resample": "mcmc.importance",
    "Langevin": "mcmc.langevin",
    "MALA": "mcmc.mala",
    "HMC": "mcmc.hmc",
    "Underdamped": "mcmc.underdamped",
    "IndependentMH": "mcmc.independent",
    "Heun": "mcmc.heun",
    # energies and their algebra
    "score_function": "core.energy",
    "value_and_grad": "core.energy",
    "Product": "energies.algebra",
    "Mixture": "energies.algebra",
    "Negation": "energies.algebra",
    "Ensemble": "energies.algebra",
    "Scaled": "energies.algebra",
    "Tempered": "energies.algebra",
    "Given": "energies.conditional",
    "OfClass": "energies.conditional",
    "Marginal": "energies.conditional",
    "Guided": "energies.conditional",
    "Tether": "energies.reference",
    "Box": "energies.reference",
    "Restricted": "energies.restrict",
    "PullBack": "energies.latent",
    "Gaussian": "energies.analytic",
    "GaussianMixture": "energies.analytic",
    # networks
    "MLP": "nets.mlp",
    "ConvNet": "nets.conv",
    "IGEBMNet": "nets.igebm",
    "WideNet": "nets.wide",
    "MLPConfig": "nets.settings",
    "ConvConfig": "nets.settings",
    "ResidualConfig": "nets.settings",
    "WideConfig": "nets.settings",
    "build_net": "nets.build:build",
    "prepared_net": "nets.given",
    "describe": "nets.describe",
    "frozen": "nets.frozen",
    "GaussianDensity": "nets.density",
    "BoxDensity": "nets.density",
    # tasks
    "score": "tasks.score",
    "evaluate": "tasks.evaluate",
    "restore": "tasks.restore.run",
    "ood": "tasks.ood.measure:measure_ood",
    "attack": "tasks.attack.robustness",
    "crossclass": "tasks.convert.classes",
    "translate": "tasks.convert.chain",
    # small things
    "generator": "core.random",
    "Streams": "core.random",
    "seeded_init": "core.random",
    "Batch": "core.records",
    "Loss": "core.records",
    "GibbsianError": "core.errors",
}
"""Where each name lives, as `module` or, if it is called otherwise there, `module:name`."""

__all__ = ["__version__", *_NAMES]

if TYPE_CHECKING:
    from .core.energy import score_function, value_and_grad
    from .core.errors import GibbsianError
    from .core.random import Streams, generator, seeded_init
    from .core.records import Batch, Loss
    from .data.dataset import Dataset, from_arrays
    from .data.own import dataset
    from .energies.algebra import Ensemble, Mixture, Negation, Product, Scaled, Tempered
    from .energies.analytic import Gaussian, GaussianMixture
    from .energies.conditional import Given, Guided, Marginal, OfClass
    from .energies.latent import PullBack
    from .energies.reference import Box, Tether
    from .energies.restrict import Restricted
    from .mcmc.base import run
    from .mcmc.heun import Heun
    from .mcmc.hmc import HMC
    from .mcmc.importance import resample
    from .mcmc.independent import IndependentMH
    from .mcmc.langevin import Langevin
    from .mcmc.mala import MALA
    from .mcmc.tuning import tune
    from .mcmc.underdamped import Underdamped
    from .models.build import build
    from .models.composed import conditional, conjunction, mixture, negation, product
    from .models.draw import sample
    from .models.learner import Learner
    from .models.model import EnergyModel
    from .models.net_energy import NetEnergy
    from .models.plain import (
        contrastive_divergence,
        denoising_score_matching,
        noise_contrastive_estimation,
        persistent_contrastive_divergence,
        sliced_score_matching,
    )
    from .models.sampler import ChainStage, RunOptions, Sampler
    from .nets.build import build as build_net
    from .nets.conv import ConvNet
    from .nets.density import BoxDensity, GaussianDensity
    from .nets.describe import describe
    from .nets.frozen import frozen
    from .nets.given import prepared_net
    from .nets.igebm import IGEBMNet
    from .nets.mlp import MLP
    from .nets.settings import ConvConfig, MLPConfig, ResidualConfig, WideConfig
    from .nets.wide import WideNet
    from .starts.data import DataStart
    from .starts.fixed import FixedNoise
    from .starts.noise import GaussianNoise, UniformNoise
    from .starts.replay import ReplayBuffer
    from .starts.reservoir import ReservoirBuffer
    from .tasks.attack.robustness import attack
    from .tasks.convert.chain import translate
    from .tasks.convert.classes import crossclass
    from .tasks.evaluate import evaluate
    from .tasks.ood.measure import measure_ood as ood
    from .tasks.restore.run import restore
    from .tasks.score import score
    from .train.fit import fit
    from .train.load import load, load_run


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'gibbsian' has no attribute '{name}'")
    place, _, inside = _NAMES[name].partition(":")
    module = importlib.import_module(f".{place}", __name__)
    explained = importlib.import_module(".core.explain", __name__).explained
    found = globals()[name] = explained(getattr(module, inside or name))
    setattr(module, inside or name, found)  # one object under both names, as pickle asks
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
