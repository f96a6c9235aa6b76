"""The contexts in which chains run.

`frozen`: eval mode, no parameter gradients, spectral-norm iterations still and normalised weights
computed once. `evaluating`: eval mode alone, for steps that keep their graph to the parameters.
After either: everything as before, also when the chain raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from .spectral import cached_weights


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """Put `module` in eval mode; nests."""
    modes = [(m, m.training) for m in module.modules()]
    try:
        yield module.eval()
    finally:
        for m, training in modes:
            m.training = training


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Freeze `module` for sampling; nests."""
    needing = [p for p in module.parameters() if p.requires_grad]
    with evaluating(module):
        try:
            for p in needing:
                p.requires_grad_(False)
            with cached_weights(module):
                yield module
        finally:
            for p in needing:
                p.requires_grad_(True)
