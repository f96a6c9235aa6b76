"""Energies made of energies, and analytic ones with exact answers. p(x) = exp(-E(x)) / Z throughout.

algebra      Product, Ensemble, Scaled, Tempered, Mixture, Negation, tempered, shared_step
conditional  Given, OfClass, Marginal, Guided
reference    Tether, GaussianReference, Box
restrict     Restricted            latent   PullBack            link   Link, link_energy
context      rows
analytic     Gaussian, GaussianMixture, Funnel, Skewed
recovery     Recovery            interaction  Interacting
conjugate    Conjugate, GaussianPrior, MixturePrior, Posterior: latents integrated out exactly
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .algebra import Ensemble, Mixture, Negation, Product, Scaled, Tempered, shared_step, tempered
    from .analytic import Funnel, Gaussian, GaussianMixture, Skewed
    from .conditional import Given, Guided, Marginal, OfClass
    from .conjugate import Conjugate, GaussianPrior, MixturePrior, Posterior
    from .context import rows
    from .interaction import Interacting
    from .latent import PullBack
    from .link import LINKS, Link, link_energy
    from .recovery import Recovery
    from .reference import Box, GaussianReference, Tether
    from .restrict import Restricted
    from .target import Target
else:
    from ..core.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
