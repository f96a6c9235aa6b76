"""gibbsian: deep energy-based generative models, p(x) ~ q(x) exp(-E(x)), in PyTorch.

Names are imported when first used, so that `import gibbsian` and the command line's `--help` stay quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .core.energy import score_function, value_and_grad
    from .core.errors import GibbsianError
    from .core.random import Streams, generator, seeded_init
    from .core.records import Batch, Loss
    from .data.dataset import Dataset, from_arrays
    from .data.episodes import transitions
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
    from .mcmc.nuts import NUTS
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
    from .tasks.continual.run import continual
    from .tasks.convert.chain import translate
    from .tasks.convert.classes import crossclass
    from .tasks.evaluate import evaluate
    from .tasks.infer import infer
    from .tasks.loglik import loglik
    from .tasks.ood.measure import measure_ood as ood
    from .tasks.pages.comparison import compare
    from .tasks.pages.evaluation import write_report
    from .tasks.partition.measure import log_partition
    from .tasks.partition.quadrature import quadrature
    from .tasks.restore.run import restore
    from .tasks.rollout.measure import measure_rollouts
    from .tasks.rollout.rollout import rollout
    from .tasks.score import score
    from .tasks.sweep.run import sweep
    from .train.fit import fit
    from .train.load import load, load_run
else:
    from .core.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(__name__, __file__, explain=True)
