"""The general Gaussian as a map from N(0, I): an exact density with a graph to its draws, and no smaller one.

    x = m + L z,    L lower triangular with diagonal exp(a),    log |dz/dx| = -sum a

so q = N(m, L L'). It answers to the same calls as `nets.flow.CouplingFlow`, and is the Gaussian family of
variational inference (A. Kucukelbir et al., JMLR 18, 2017, arXiv 1603.00788, "full-rank").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gibbsian.core.errors import require_positive
from gibbsian.nets.precision import full_precision, widened


class Affine(nn.Module):
    """N(mean, L L') on flattened data `(B, features)`; begins as N(0, I).

    Parameters: `mean` (D,), `log_scale` (D,) and `below` (D, D), of which only the part under the diagonal
    is used. Runs in float32 at least, also under autocast. Raises `UsageError` unless `features` >= 1.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        require_positive(features=features)
        self.features = features
        self.mean = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.below = nn.Parameter(torch.zeros(features, features))

    @property
    def factor(self) -> Tensor:
        """L, lower triangular, `(D, D)`."""
        return self.below.tril(-1) + self.log_scale.exp().diag()

    @property
    def covariance(self) -> Tensor:
        """L L' `(D, D)`."""
        return self.factor @ self.factor.T

    def forward(self, z: Tensor) -> Tensor:
        """x `(B, D)` of latents `(B, D)`."""
        with full_precision(z):
            return self.mean + widened(z) @ self.factor.T

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The latents `(B, D)` of `x` `(B, D)`, and log |dz/dx| `(B,)`."""
        with full_precision(x):
            apart = (widened(x) - self.mean).T
            z = torch.linalg.solve_triangular(self.factor, apart, upper=False).T
            return z, -self.log_scale.sum().expand(len(x))

    def log_density(self, x: Tensor) -> Tensor:
        """log N(x; mean, L L') in nats, `(B,)`."""
        z, log_det = self.inverse(x)
        return log_det - 0.5 * z.square().sum(1) - 0.5 * self.features * math.log(2 * math.pi)
