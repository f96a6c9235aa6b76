"""Likelihoods in the unit that papers print: bits a dimension of 8-bit images."""

from __future__ import annotations

import math

STEPS = 255
"""Steps between the 256 grey levels of a pixel."""


def bits_per_dimension(nats: float, size: int, span: float | None = None) -> float:
    """Bits a dimension of -log p(x) = `nats` at x of `size` numbers.

    With `span`, of images whose 256 grey levels are spread over a range so long, p being the density with
    noise of a grey level: -log2 of the mass of that level, span / 255 wide (B. Uria, I. Murray, H.
    Larochelle, 2013, for its use). Without, of the density itself.

    >>> bits_per_dimension(0.0, 1, 255.0)
    0.0
    """
    density = nats / (size * math.log(2))
    return density if span is None else density + math.log2(STEPS / span)
