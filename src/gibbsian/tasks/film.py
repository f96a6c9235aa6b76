"""Chains that move: a sampling chain as an animation, with the mean energy below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, rows
from ..mcmc.reports import ChainInfo
from ..mcmc.state import ChainState
from ..models.labels import one_condition
from ..models.model import EnergyModel
from ..models.sampler import ChainStage, Sampler, Stages, WrappedSampler, next_stage
from ..nets.frozen import frozen
from ..report.pictures import film_frames, landscape, sheet

FRAMES, POINTS, CELLS = 64, 2000, 100


class Film(WrappedSampler):
    """A sampler that is watched: hand it and its `observe` to `draw_samples`.

    With `keep`, positions of the first chunk of chains (2,000 at most) are kept from start to end with the
    mean energy there. When more than 64 are kept every second is dropped and the stride doubles, so that the
    length of the chain need not be known. `progress(done, planned)` counts steps over all stages and chunks.
    """

    def __init__(
        self,
        inner: Sampler,
        *,
        keep: bool = True,
        progress: Callable[..., None] | None = None,
    ) -> None:
        super().__init__(inner)
        self.keep, self.progress = keep, progress
        self.positions: list[Position] = []
        self.energies: list[float] = []
        self._stage: ChainStage | None = None
        self._chunk, self._done, self._total, self._stride = 0, 0, 0, 1

    @property
    def made(self) -> int:
        """Steps watched so far, over all stages and chunks."""
        return self._done

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages themselves, each noted as it begins."""
        self._chunk += 1
        stages = self.make(n, rng, y=y, steps=steps)
        stage = next(stages, None)
        while stage is not None:
            self._begin(stage)
            stage = next_stage(stages, (yield stage))

    def observe(self, step: int, state: ChainState, info: ChainInfo) -> None:
        """Called after every step of every stage."""
        self._done += 1
        if self.progress is not None:
            self.progress(self._done, self._total)
        if self.keep and self._chunk == 1 and self._done % self._stride == 0:
            self._add(state.position)

    def advanced(self, done: int, steps: int) -> None:
        """In place of `observe` where nothing is kept: `done` steps of a stage of `steps` are made."""
        self._done = self._total - steps + done
        if self.progress is not None:
            self.progress(self._done, self._total)

    def _begin(self, stage: ChainStage) -> None:
        self._stage, self._total = stage, self._total + stage.steps
        if self.keep and not self.positions:
            self._add(stage.position)

    def _add(self, x: Position) -> None:
        assert self._stage is not None
        with torch.no_grad():
            self.energies.append(float(self._stage.energy(x).mean()))
        self.positions.append(rows(x, slice(0, POINTS)))
        if len(self.positions) > FRAMES:
            self.positions, self.energies = self.positions[::2], self.energies[::2]
            self._stride *= 2


def frames(model: EnergyModel, watched: Film, columns: int | None = None) -> list[Image.Image]:
    """A picture of every kept position (64 images at most), above the curve of the mean energy so far."""
    kept = decoded(model, watched.positions, POINTS if len(model.spec.event_shape) == 1 else 64)
    paint = painter(model, kept[-1], columns)
    return film_frames([paint(x) for x in kept], watched.energies)


def decoded(model: EnergyModel, positions: Sequence[Position], most: int) -> list[Tensor]:
    """Data of the first `most` chains of every position."""
    with frozen(model), torch.no_grad():
        return [model.sampler().decode(rows(x, slice(0, most))) for x in positions]


def painter(model: EnergyModel, x: Tensor, columns: int | None = None) -> Callable[[Tensor], Image.Image]:
    """How to draw chains of a model: images as a grid, signals as curves, points on the energy around `x`.

    Raises `UsageError` for other data.
    """
    if len(model.spec.event_shape) in (2, 3):
        low, high = model.spec.low, model.spec.high
        return lambda images: sheet(images, low, high, columns)
    if model.spec.event_shape != (2,):
        raise UsageError(
            f"data of shape {model.spec.event_shape} have no picture: images, signals or points of the plane"
        )
    extent = 1.2 * max(float(x.abs().max()), 1.0)
    axis = torch.linspace(-extent, extent, CELLS, device=x.device)
    mesh = torch.cartesian_prod(axis, axis).flip(1)
    if one_condition(model) is None:
        with frozen(model), torch.no_grad():
            values = model.neg_log_prob(mesh)
    else:  # each point has an energy of its own
        values = torch.zeros(len(mesh))
    energy, none = values.reshape(CELLS, CELLS).double().cpu().numpy(), x[:0].cpu().numpy()
    return lambda points: landscape(energy, extent, none, points.double().cpu().numpy())


def drawable(event_shape: Sequence[int]) -> bool:
    """Whether `painter` can draw such data."""
    return len(event_shape) in (2, 3) or tuple(event_shape) == (2,)
