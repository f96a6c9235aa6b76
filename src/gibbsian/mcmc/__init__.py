"""Moving chains: kernels, the one loop, and one-time tuning.

| kernel | exact | gradients for K steps | step size in units of |
| --- | --- | --- | --- |
| `Langevin`, with noise first, clips, a clamp or schedules as its fields | no | K | x^2 / energy |
| `MALA` | yes | K + 1 | x^2 / energy |
| `HMC` | yes | K L + 1 | x / sqrt(energy) |
| `NUTS` | yes | K times the longest trajectory, + 1 | x / sqrt(energy) |
| `Underdamped` "baoab", "obabo" | with `metropolis` ("obabo") | K L + 1 | x / sqrt(energy) |
| `Underdamped` "aboba" | no | K | x / sqrt(energy) |
| `Heun` (no noise) | no | 2 K | x^2 / energy |
| `IndependentMH` | yes | none, K + 1 energies | has none |
| `Gibbs`, of bits | yes | none, K d + 1 energies of d bits | has none |

Draws without a chain: `resample` (importance weights), `rejection.acceptance` (discriminator rejection).
`settings` holds the fields of all kernels and the sections of files and flags, `kernels.kernel_of` makes
kernels of them; `engine` says how chains are made fast. Names are imported when first used: `settings` needs
no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Chain, run
    from .gibbs import Gibbs
    from .heun import Heun
    from .hmc import HMC
    from .importance import effective_sample_size, resample
    from .independent import IndependentMH
    from .kernel import DifferentiableKernel, Kernel
    from .kernels import kernel_of
    from .langevin import Langevin
    from .mala import MALA
    from .nuts import NUTS
    from .reports import ChainInfo, ChainSummary
    from .state import ChainState
    from .tuning import tune
    from .underdamped import Underdamped
else:
    from ..core.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
