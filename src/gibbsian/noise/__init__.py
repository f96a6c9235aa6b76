"""Numbers that change with the step: schedules of step sizes, noise and learning rates. No torch."""

from .schedule import Constant, Cosine, Decay, Geometric, Linear, Polynomial, Schedule, Staircase

__all__ = ["Constant", "Cosine", "Decay", "Geometric", "Linear", "Polynomial", "Schedule", "Staircase"]
