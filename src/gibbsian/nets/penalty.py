"""Spectral regularisation: the sum of the largest singular values of a network's weights, as a penalty.

Unlike spectral normalisation it leaves the network as it is and lets the data decide how steep each layer
becomes. Each weight counts as a matrix (out, everything else), as it acts: of a layer with weight
normalisation the normalised kernel (as in the released code, where only convolutions count), so that of one
with spectral normalisation, which is 1 whatever it weighs, nothing is asked. (The penalty on what lies under
that norm would lower the divisor, and so raise all singular values but the first.) The singular vectors are
tracked by power iteration and held constant in the gradient, d sigma / dW = u v', exact at convergence.

Source: Z. Xiao et al., "VAEBM", ICLR 2021, arXiv 2010.00654, after A. Vahdat, J. Kautz, NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from .spectral import SpectralWeight

FIRST = 40


class SpectralPenalty(nn.Module):
    """Calling it with the network that it was built for gives sum_i sigma_i, a scalar, differentiable in W.

    State: unit vectors `u_i` (out,) and `v_i` (rest,) for each weight of two or more dimensions, and `calls`.
    In training mode each call makes `iterations` power iterations first, 40 at the first one; in eval mode
    none.
    """

    def __init__(self, net: nn.Module, iterations: int = 4) -> None:
        super().__init__()
        self.iterations = iterations
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.calls: Tensor
        for i, weight in enumerate(matrices(net)):
            for name, size in (("u", weight.shape[0]), ("v", weight.shape[1])):
                start = torch.randn(size, dtype=weight.dtype, device=weight.device)
                self.register_buffer(f"{name}_{i}", F.normalize(start, dim=0))

    def forward(self, net: nn.Module) -> Tensor:
        found = matrices(net)
        if self.training:
            self._advance(found)
        return torch.stack([self._sigma(i, w) for i, w in enumerate(found)]).sum()

    def _sigma(self, i: int, weight: Tensor) -> Tensor:
        u, v = self.get_buffer(f"u_{i}"), self.get_buffer(f"v_{i}")
        return u.clone() @ (weight @ v.clone())

    @torch.no_grad()
    def _advance(self, found: list[Tensor]) -> None:
        rounds = self.iterations if int(self.calls) else max(FIRST, self.iterations)
        self.calls += 1
        for i, weight in enumerate(found):
            u, v = self.get_buffer(f"u_{i}"), self.get_buffer(f"v_{i}")
            for _ in range(rounds):
                v.copy_(F.normalize(weight.T @ u, dim=0))
                u.copy_(F.normalize(weight @ v, dim=0))


def matrices(net: nn.Module) -> list[Tensor]:
    """The weights of two or more dimensions as they act, each as `(out, rest)`, in the network's order."""
    found = {k: w for module in net.modules() for k, w in _acting(module)}
    return [w.flatten(1) for w in found.values() if w.dim() > 1]


def _acting(module: nn.Module) -> Iterator[tuple[object, Tensor]]:
    """The weights of `module` itself under a key that tells shared ones: normalised where it does that."""
    if isinstance(module, SpectralWeight):
        yield id(module), module.normalised()
    if isinstance(module, (SpectralWeight, parametrize.ParametrizationList)):
        return
    made = list(getattr(module, "parametrizations", ()))
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (SpectralNorm, WeightNorm)):  # torch's older kind
            hook(module, ())
            made.append(hook.name)
    for name in made:
        yield (id(module), name), getattr(module, name)
    for name, p in module.named_parameters(recurse=False):
        if name.rpartition("_")[0] not in made:
            yield id(p), p
