"""Numbers to minimise. Objectives know energies, never the samplers that made the negatives.

Their settings are read without torch.
"""

from __future__ import annotations

from .settings import LossConfig

__all__ = ["LossConfig"]
