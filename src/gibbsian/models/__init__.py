"""Models, learners and samplers: a folder a paper, and the contracts that they keep.

A paper is a frozen dataclass of settings, a `Learner` whose `losses` yields (group, Loss) and is resumed
after that optimiser step, and `build(config, event_shape, rng, net=None)` that returns it with its model,
whose `samplers["default"]` draws samples. In my_file.py `PAPER = PaperEntry(name, Config, build)` joins it:

    gibbsian train my_file.py:PAPER --data digits

What one needs to write a paper is exported here, and imported when first used, so that settings are read
without torch: `from gibbsian.models import Learner, NetEnergy, ...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.random import seeded_init
    from ..core.records import Batch, Loss
    from ..core.spec import DataSpec
    from ..data.settings import PixelConfig
    from ..mcmc.kernels import kernel_of
    from ..mcmc.settings import ChainConfig, LatentConfig
    from ..nets.families import AnyNet, register_net
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
    from .networks import energy_net, net_model
    from .papers import PaperEntry, register_paper
    from .sampler import ChainStage, Sampler
    from .stored import StoredChains
else:
    from ..core.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
