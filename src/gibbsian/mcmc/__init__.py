"""Moving chains: kernels, their wrappers, the one loop, and one-time tuning.

| kernel | exact | gradients for K steps | step size in units of |
| --- | --- | --- | --- |
| `Langevin`, and `NoiseFirst`, `Clipped`, `Clamped`, `Scheduled`, `Later` around it | no | K | x^2 / energy |
| `MALA` | yes | K + 1 | x^2 / energy |
| `HMC` | yes | K L + 1 | x / sqrt(energy) |
| `Underdamped` "baoab", "obabo" | with `metropolis` ("obabo") | K L + 1 | x / sqrt(energy) |
| `Underdamped` "aboba" | no | K | x / sqrt(energy) |
| `Heun` (no noise) | no | 2 K | x^2 / energy |
| `IndependentMH` | yes | none, K + 1 energies | has none |

Draws without a chain: `resample` (importance weights), `rejection.acceptance` (discriminator rejection).
"""

from .base import Chain, run
from .heun import Heun
from .hmc import HMC
from .importance import effective_sample_size, resample
from .independent import IndependentMH
from .kernel import DifferentiableKernel, Kernel
from .langevin import Langevin, NoiseFirst, Unadjusted
from .mala import MALA
from .move import Move
from .state import ChainInfo, ChainState, ChainSummary
from .tune import tune
from .underdamped import Underdamped
from .wrap import Clamped, Clipped, Later, Scheduled

__all__ = [
    "HMC",
    "MALA",
    "Chain",
    "ChainInfo",
    "ChainState",
    "ChainSummary",
    "Clamped",
    "Clipped",
    "DifferentiableKernel",
    "Heun",
    "IndependentMH",
    "Kernel",
    "Langevin",
    "Later",
    "Move",
    "NoiseFirst",
    "Scheduled",
    "Unadjusted",
    "Underdamped",
    "effective_sample_size",
    "resample",
    "run",
    "tune",
]
