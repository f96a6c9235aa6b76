"""Energies over noise levels against exact answers: docs/noise-energy.md."""
