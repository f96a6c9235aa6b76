"""Plain configuration dataclasses that the command line reads without importing torch."""
