"""Trainings over seeds and settings, and which of their differences are more than what seeds do."""
