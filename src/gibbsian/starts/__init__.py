"""Where chains begin: noise, data, a fitted Gaussian, or stored chains."""

from .base import Start, Ticket
from .data import DataStart
from .fixed import FixedNoise
from .gaussian import ClassGaussian
from .noise import GaussianNoise, NormalLeaves, UniformNoise, redraw
from .replay import ReplayBuffer
from .reservoir import ReservoirBuffer

__all__ = [
    "ClassGaussian",
    "DataStart",
    "FixedNoise",
    "GaussianNoise",
    "NormalLeaves",
    "ReplayBuffer",
    "ReservoirBuffer",
    "Start",
    "Ticket",
    "UniformNoise",
    "redraw",
]
