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

__all__ = [
    "LINKS",
    "Box",
    "Conjugate",
    "Ensemble",
    "Funnel",
    "Gaussian",
    "GaussianMixture",
    "GaussianPrior",
    "GaussianReference",
    "Given",
    "Guided",
    "Interacting",
    "Link",
    "Marginal",
    "Mixture",
    "MixturePrior",
    "Negation",
    "OfClass",
    "Posterior",
    "Product",
    "PullBack",
    "Recovery",
    "Restricted",
    "Scaled",
    "Skewed",
    "Target",
    "Tempered",
    "Tether",
    "link_energy",
    "rows",
    "shared_step",
    "tempered",
]
