"""The context in which a system's chains run.

Inside: eval mode, no parameter gradients, spectral-norm iterations still and normalised weights
computed once. After: everything as before, also when the chain raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..nets.spectral import cached_weights


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Freeze `module` for sampling; nests."""
    modes = [(m, m.training) for m in module.modules()]
    needing = [p for p in module.parameters() if p.requires_grad]
    try:
        module.eval()
        for p in needing:
            p.requires_grad_(False)
        with cached_weights(module):
            yield module
    finally:
        for p in needing:
            p.requires_grad_(True)
        for m, training in modes:
            m.training = training
