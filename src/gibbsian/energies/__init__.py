"""Energies made of energies, and analytic ones with exact answers. p(x) = exp(-E(x)) / Z throughout.

algebra      Product, Ensemble, Scaled, Tempered, Mixture, Negation, tempered, shared_step
conditional  Given, OfClass, Marginal, Guided
reference    Tether, GaussianReference, Box
restrict     Restricted            latent   PullBack            link   Link, link_energy
context      rows                  grid     Grid, grid_log_z, grid_density, grid_kl, sample_kl
analytic     Gaussian, GaussianMixture, Banana, Funnel, Skewed, Bounded
lattice      GaussianField, Ising
recovery     Recovery            interaction  Interacting
conjugate    Conjugate, GaussianPrior, MixturePrior, Posterior: latents integrated out exactly
"""

from .algebra import Ensemble, Mixture, Negation, Product, Scaled, Tempered, shared_step, tempered
from .analytic import Banana, Bounded, Funnel, Gaussian, GaussianMixture, Skewed
from .conditional import Given, Guided, Marginal, OfClass
from .conjugate import Conjugate, GaussianPrior, MixturePrior, Posterior
from .context import rows
from .grid import Grid, grid_density, grid_kl, grid_log_z, sample_kl
from .interaction import Interacting
from .latent import PullBack
from .lattice import GaussianField, Ising
from .link import LINKS, Link, link_energy
from .recovery import Recovery
from .reference import Box, GaussianReference, Tether
from .restrict import Restricted
from .target import Target

__all__ = [
    "LINKS",
    "Banana",
    "Bounded",
    "Box",
    "Conjugate",
    "Ensemble",
    "Funnel",
    "Gaussian",
    "GaussianField",
    "GaussianMixture",
    "GaussianPrior",
    "GaussianReference",
    "Given",
    "Grid",
    "Guided",
    "Interacting",
    "Ising",
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
    "grid_density",
    "grid_kl",
    "grid_log_z",
    "link_energy",
    "rows",
    "sample_kl",
    "shared_step",
    "tempered",
]
