"""Energies of the steps of paths beside regression and mixture-density networks."""
