"""Energies over image sizes: a pyramid whose chains go through the sizes (Y. Zhao, J. Xie, P. Li, ICLR 2021).

    x_0 ~ U(low, high) at n_0;  K steps on E_0;  x_1 = clamp(enlarge(x_0));  K steps on E_1;  ...
    x <- x - (s/2) grad E + sigma_k xi,   sigma_k falls linearly over the steps of all sizes

What is learnt is the sampler from noise to image, so E is no log-density: the noise falls to 0 and chains
never last. Translation begins at an image of another domain and moves without noise on the energy of the last
size, clamped at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position
from ...core.spec import DataSpec
from ...energies.context import Index, single
from ...energies.link import link_energy
from ...nets.resize import enlarge, shrink
from ...starts.noise import UniformNoise
from ..chains import langevin
from ..model import EnergyModel
from ..sampler import ChainStage, Sampler, Stages
from .config import CFEBMConfig, Turn


@dataclass(frozen=True, eq=False)
class StageEnergy:
    """E_s at one alpha, a scalar tensor or None for 1: images of the stage's size to `(B,)`."""

    net: nn.Module
    alpha: Tensor | None
    link: str

    def __call__(self, x: Position) -> Tensor:
        return link_energy(-self.net(single(x), self.alpha), self.link)

    def rows(self, index: Index) -> StageEnergy:
        """The same: nothing in it belongs to single chains."""
        return self


class PyramidEnergy(EnergyModel):
    """One network for each image size. The buffer `latest`, the number of the last update, tells the size
    that training has reached and how far it is blended in.

    Args:
        nets: the networks, of the smallest size first.
        spec: shape and range of images of full size.
        config: the sizes and when each is learnt, the chains, the link.
    """

    def __init__(self, nets: nn.ModuleList, spec: DataSpec, config: CFEBMConfig) -> None:
        super().__init__(spec, config.chain.temperature)
        self.net, self.config = nets, config
        self.sizes = config.stages.sizes(spec.event_shape)
        self.latest: Tensor
        self.register_buffer("latest", torch.zeros((), dtype=torch.int64))
        self.samplers["default"] = Climb(self)

    @property
    def turn(self) -> Turn:
        """The stage that training has reached and its alpha."""
        return self.config.stages.turn(int(self.latest), len(self.sizes))

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E `(B,)` of the stage that training has reached; images `(B, C, H, W)` are pooled to its size."""
        self.spec.refuse_labels(y)
        stage = self.turn.stage
        return self.of_stage(stage)(shrink(single(x), self.sizes[stage]))

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E of the stage reached: it ranks inputs, but is no log-density, since chains end without noise."""
        return self.energy(x, y)

    def of_stage(self, stage: int) -> StageEnergy:
        """E of a stage, faded as far as training has come."""
        reached, alpha = self.turn
        weight = torch.tensor(alpha, device=self.latest.device) if stage == reached and alpha < 1 else None
        return StageEnergy(self.net[stage], weight, self.config.loss.link)

    def noise(self, stage: int) -> UniformNoise:
        """Uniform noise of a stage's size."""
        shape = (self.spec.event_shape[0], *self.sizes[stage])
        return UniformNoise(shape, self.spec.low, self.spec.high)

    def clamped(self, x: Position) -> Tensor:
        """`x` in the range of the data."""
        return single(x).clamp(self.spec.low, self.spec.high)

    def translation(self, x: Tensor, *, steps: int | None = None) -> Sampler:
        """The sampler of just N chains from images `x` `(N, *event_shape)` of another domain.

        `steps` are `source.steps` by default, 64 in the paper. Raises `UsageError` for other shapes.
        """
        shape = self.spec.event_shape
        if tuple(x.shape[1:]) != shape:
            raise UsageError(
                f"images to translate have shape {tuple(x.shape)}: this model takes "
                f"(N, {', '.join(map(str, shape))})"
            )
        return Translation(self, lambda n, rng: x, steps or self.config.source.steps)


class PyramidSampler(Sampler):
    """A sampler of images of any stage's size."""

    def __init__(self, model: PyramidEnergy) -> None:
        self.model, self.temperature = model, model.temperature

    def decode(self, position: Position) -> Tensor:
        """Images of the data's shape from those of any stage, clamped."""
        height, width = self.model.spec.event_shape[1:]
        return enlarge(self.model.clamped(position), (height, width))


class Climb(PyramidSampler):
    """From noise, a stage for each size up to the one that training has reached."""

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """Stages with equal parts of all `steps`."""
        model, chain = self.model, self.model.config.chain
        model.spec.refuse_labels(y)
        used = model.sizes[: model.turn.stage + 1]
        total = steps or chain.steps * len(used)
        kernel = langevin(replace(chain, steps=total), model.spec)
        made, x = 0, model.noise(0).draw(n, rng).position
        for s, size in enumerate(used):
            count = total * (s + 1) // len(used) - made
            start = enlarge(model.clamped(x), size)
            x = yield ChainStage(model.of_stage(s), kernel.from_step(made), count, start)
            made += count


class Translation(PyramidSampler):
    """From images of another domain, `source(n, rng)`, without noise in the chain."""

    def __init__(
        self, model: PyramidEnergy, source: Callable[[int, torch.Generator], Tensor], steps: int
    ) -> None:
        super().__init__(model)
        self.source, self.steps = source, steps

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """One stage; raises `UsageError` for another number of chains than of images."""
        model, cfg, x = self.model, self.model.config, self.source(n, rng)
        model.spec.refuse_labels(y)
        if n != len(x):
            raise UsageError(f"{n} chains from {len(x)} images: draw as many at a time as there are images")
        stage = model.turn.stage
        still = replace(cfg.chain, noise=0.0, noise_end=None, clamp=True, steps=steps or self.steps)
        start = shrink(x, model.sizes[stage])
        start = start + cfg.source.noise * torch.randn(
            start.shape, generator=rng, dtype=x.dtype, device=x.device
        )
        yield ChainStage(model.of_stage(stage), langevin(still, model.spec), still.steps, start)
