"""How many directions the data have at a point, from the curvature of an energy there.

Along the data the energy hardly changes, across them it rises: of the Hessian's eigenvalues few are small and
many are large, and the small ones count the local intrinsic dimension (M. Balcerak et al., 2025, arXiv
2504.10612, section 5).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.energy import Energy, hessian_vector
from ..core.errors import UsageError
from ..core.position import Position

ROWS = 1024


def hessian(energy: Energy, x: Tensor, rows: int = ROWS) -> Tensor:
    """d2E/dx2 at every point of `x` `(B, *event)`, `(B, D, D)`, symmetric; `rows` products are taken at once.

    The energy may not carry context of single chains.
    """
    d = x[0].numel()
    columns = [_products(energy, point, rows) for point in x]
    found = torch.stack(columns) if columns else x.new_zeros(0, d, d)
    return (found + found.mT) / 2


def _products(energy: Energy, point: Tensor, rows: int) -> Tensor:
    d = point.numel()
    directions = torch.eye(d, dtype=point.dtype, device=point.device)
    parts = []
    for v in directions.split(rows):
        x: Position = point.expand(len(v), *point.shape)
        product = hessian_vector(energy, x, v.reshape(-1, *point.shape))
        assert isinstance(product, Tensor)
        parts.append(product.flatten(1))
    return torch.cat(parts)


def local_dimension(eigenvalues: Tensor, share: float = 0.05) -> Tensor:
    """Eigenvalues `(B, D)` below `share` of the largest in their row, counted, `(B,)` int64.

    A direction in which the energy falls away on both sides counts as one along the data. Raises `UsageError`
    unless `share` lies in (0, 1).
    """
    if not 0 < share < 1:
        raise UsageError(f"share is {share}: it lies between 0 and 1, such as .05")
    return (eigenvalues < share * eigenvalues.amax(1, keepdim=True)).sum(1)
