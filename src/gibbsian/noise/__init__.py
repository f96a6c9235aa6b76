"""Numbers that change with the step: schedules of step sizes and noise. No torch."""

from .schedule import Polynomial, Schedule, Staircase

__all__ = ["Polynomial", "Schedule", "Staircase"]
