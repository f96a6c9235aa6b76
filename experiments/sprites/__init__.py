"""Sprites of given attributes from sums of conditional energies, for docs/sprites.md."""
