"""Every exact answer is asked of both ways in which a chain takes its gradients."""

from __future__ import annotations

import pytest

from gibbsian.mcmc import base
from gibbsian.mcmc.engine import recorded


@pytest.fixture(autouse=True, params=["replayed", "called"])
def gradients(request, monkeypatch):
    """Gradients of a run that are replayed, as by default, or taken by a call at every step."""
    if request.param == "replayed":
        monkeypatch.setattr(recorded, "FEWEST", 1)
    else:
        monkeypatch.setattr(base, "replayed", lambda energy, *_, **__: energy)
