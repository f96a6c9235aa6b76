"""Numbers to minimise. Objectives know energies, never the samplers that made the negatives."""

from .contrast import contrast, energy_l2

__all__ = ["contrast", "energy_l2"]
