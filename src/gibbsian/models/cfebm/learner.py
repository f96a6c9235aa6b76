"""Coarse-to-fine EBM (Y. Zhao, J. Xie, P. Li, ICLR 2021, "Coarse-to-Fine Expanding and Sampling").

    sizes       n_0 < n_1 < ... < n_S, each twice the one before, n_S that of the data; an energy E_s for each
    stage s     loss = mean E_s(pool(data)) - mean E_s(where the chain ended at n_s)

Stages learn one after the other, smallest first. A stage begins with the weights of the one below and
something new in front, whose weight alpha rises from 0 to 1 (see `nets/pyramid.py`), in its chains as
well. Once the next stage has begun, an energy stays as it is. The chains are those of `model.py`.

In mode "translate" training chains begin at images of another domain, with no generator or cycle loss; a
model that translates keeps images that training has met, so that it has something to draw from when nobody
hands it any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.position import Position
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...mcmc.base import run
from ...nets.frozen import frozen
from ...nets.pyramid import inherit, pyramid
from ...nets.resize import shrink
from ...starts.base import BufferSample, all_restarted
from ...starts.seen import SeenImages
from ..contrastive import ChainEnds, chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..learner import Learner
from ..sampler import ChainStage, Sampler, Stages, next_stage
from .config import CFEBMConfig
from .model import PyramidEnergy, Translation


def build(
    config: CFEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> CFEBM:
    """The learner of an energy network for each size; raises `UsageError` for a `net` in their place."""
    if net is not None:
        raise UsageError("cfebm grows networks of its own, one for each size: leave out net")
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    sizes = config.stages.sizes(spec.event_shape)
    with seeded_init(rng):
        nets = pyramid(config, event_shape[0], sizes)
    return CFEBM(config, PyramidEnergy(nets, spec, config))


class CFEBM(Learner):
    """Contrast of pooled data and chain ends at the size whose turn it is."""

    config: CFEBMConfig
    model: PyramidEnergy

    def __init__(self, config: CFEBMConfig, model: PyramidEnergy) -> None:
        super().__init__(config, model)
        self.mean_reduced = config.loss.mean_reduced
        if config.mode == "translate":
            self.seen = SeenImages(model.spec.event_shape)
            # Without training state there is nothing to translate from: a loaded model says so.
            model.samplers["default"] = self.samplers()["default"]

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The network of each size, by its larger side: stage8, stage16, ..."""
        return {self._name(s): net for s, net in enumerate(self.model.net)}

    def milestones(self) -> tuple[int, ...]:
        """The updates at which the second and later stages begin."""
        return self.config.stages.starts(len(self.model.sizes))[1:]

    def lr_multiplier(self, group: str, step: int) -> float:
        """The factor of the stage of this update."""
        stages, count = self.config.stages, len(self.model.sizes)
        return stages.lr_multiplier(stages.turn(self.planned(step), count).stage, count)

    def samplers(self) -> dict[str, Sampler]:
        """A model that translates draws from images that training has met; `translation` is for others."""
        if self.config.mode != "translate":
            return {}
        return {"default": Translation(self.model, self.seen.draw, self.config.source.steps)}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The contrast of the stage's size; then later stages take over its weights."""
        model = self.model
        model.latest.fill_(self.planned(step))
        stage, alpha = model.turn
        cfg, batch = self.config, self._share(batch, stage)
        ends = self._ends(self._begun(batch, rng), len(batch), rng)
        data = replace(batch, x=shrink(batch.x, model.sizes[stage]))
        x_pos, x_neg = noised_data(data, cfg.pixels, rng), model.clamped(ends.x)
        e_pos, e_neg = energies_of_both(model.of_stage(stage), x_pos, x_neg, precision=self.options.precision)
        where = {"size": torch.tensor(float(max(model.sizes[stage]))), "alpha": torch.tensor(alpha)}
        yield (
            self._name(stage),
            contrastive_loss(e_pos, e_neg, cfg.loss, ends) + Loss(torch.zeros(()), where),
        )
        # Later stages take over the weights after each update, and not only when they begin, so that their
        # exponential averages begin at the averages of the stage below.
        inherit(model.net[stage:])

    def _begun(self, batch: Batch, rng: torch.Generator) -> Stages:
        """The chains of one update."""
        if self.config.mode == "generate":
            return self.model.sampler().stages(len(batch), rng)
        if batch.cond is None:
            raise UsageError(
                "translation needs pairs of domains: give the images to start from as Batch.cond, or train "
                "with mode=generate"
            )
        self.seen.keep(batch.cond)
        begun: Tensor = batch.cond
        steps = self.config.chain.steps
        return Translation(self.model, lambda n, rng: begun, steps).stages(len(batch), rng)

    def _ends(self, stages: Stages, n: int, rng: torch.Generator) -> ChainEnds:
        """Run the stages; only the last one's diagnostics are kept."""
        below = self.model.turn.stage if self.config.mode == "generate" else 0
        stage = next(stages)
        with frozen(self.model):
            for _ in range(below):
                stage = cast(ChainStage, next_stage(stages, self._end(stage, rng)))
        return chain_ends(
            self.model,
            BufferSample(stage.position, None, None, all_restarted(n, rng)),
            stage.kernel,
            stage.steps,
            rng,
            self.options,
            energy=stage.energy,
            init_noise=self.model.noise(self.model.turn.stage),
        )

    def _end(self, stage: ChainStage, rng: torch.Generator) -> Position:
        return run(
            stage.kernel,
            stage.energy,
            stage.position,
            steps=stage.steps,
            rng=rng,
            evaluate=False,
            **self.options.arguments,
        ).position

    def _share(self, batch: Batch, stage: int) -> Batch:
        """The part of a batch that a stage uses."""
        n = math.ceil(self.config.stages.share(stage, len(self.model.sizes)) * len(batch))
        return Batch(batch.x[:n], cond=None if batch.cond is None else batch.cond[:n])

    def _name(self, stage: int) -> str:
        return f"stage{max(self.model.sizes[stage])}"
