"""Numbers that change with the step: schedules of step sizes and noise. No torch."""

from .levels import geometric_levels, polynomial_levels
from .schedule import Polynomial, Schedule, Staircase

__all__ = ["Polynomial", "Schedule", "Staircase", "geometric_levels", "polynomial_levels"]
