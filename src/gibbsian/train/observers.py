"""What a run draws while it trains: sample grids for images and signals, an energy landscape for points."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.random import derive, generator
from ..energies.conditional import Given
from ..models.labels import one_condition
from ..models.samples import Samples, draw_samples
from ..nets.frozen import frozen
from ..report.pictures import landscape, save_gif, save_image, sheet
from .folder import RunFolder
from .trainer import Observer, Trainer


def default_observers(trainer: Trainer, folder: RunFolder) -> list[Observer]:
    """Grids of 64 samples for images and signals; a landscape with positives and negatives for 2-D points;
    none, which is told, of a model without a sampler."""
    dataset = trainer.data
    if "default" not in trainer.model.samplers:
        trainer.notify("the model has no samplers['default']: no pictures are made as it trains")
        return []
    if dataset.is_image or len(dataset.event_shape) == 2:
        return [SampleGrid(folder)]
    return [Landscape(folder)] if dataset.event_shape == (2,) else []


def own_stream(trainer: Trainer, name: str) -> torch.Generator:
    """A stream that depends on seed and step alone, so that drawing pictures changes no result."""
    return generator(derive(trainer.config.seed, f"{name}/{trainer.step}"), trainer.streams.eval.device)


def drawn(trainer: Trainer, n: int, name: str, y: Tensor | None = None) -> Samples:
    """`n` samples of now, by the default sampler, at labels y if given."""
    model, rng, options = trainer.model, own_stream(trainer, name), trainer.learner.options
    chunk = max(16, trainer.config.batch_size)  # no more memory than an update takes
    return draw_samples(model, model.sampler(), n, rng=rng, y=y, chunk=chunk, options=options)


class SampleGrid:
    """`samples/step-000500.png`: 64 samples by the model's own chain from noise."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def __call__(self, trainer: Trainer) -> None:
        low, high = trainer.pixel_range()
        x = drawn(trainer, 64, "grid").x
        save_image(sheet(x, low, high), self.folder.samples / f"step-{trainer.step:06d}.png")


class Landscape:
    """`samples/landscape.gif`: the energy as it learns, data in black, chain ends in red.

    Modes are sought and shifted before one's eyes; those of p(x | c) at one c. Frames are kept as PNG, so a
    resumed run goes on.
    """

    def __init__(self, folder: RunFolder, cells: int = 100, points: int = 200) -> None:
        self.folder, self.cells, self.points = folder, cells, points

    def __call__(self, trainer: Trainer) -> None:
        data = trainer.data.batch(torch.arange(min(self.points, len(trainer.data))), 0.0, 1.0).x
        extent = 1.4 * float(data.abs().max())
        axis = torch.linspace(-extent, extent, self.cells)
        mesh = torch.cartesian_prod(axis, axis).flip(1)
        c = one_condition(trainer.model)
        at = None if c is None else c.expand(self.points, -1)
        negatives = drawn(trainer, self.points, "landscape", at).x
        mesh = mesh.to(negatives.device)
        with frozen(trainer.model), torch.no_grad():
            density = trainer.model.neg_log_prob
            energy = (density if c is None else Given(density, c))(mesh).reshape(self.cells, self.cells)
        title = f"step {trainer.step}   gap {trainer.metrics.get('energy_gap', math.nan):+.3f}"
        picture = landscape(
            energy.double().cpu().numpy(),
            extent,
            data.cpu().numpy(),
            negatives.cpu().numpy().astype(np.float64),
            title,
        )
        save_image(picture, self.folder.samples / f"step-{trainer.step:06d}.png")
        self._animate()

    def _animate(self) -> None:
        frames = [Image.open(p).convert("RGB") for p in sorted(self.folder.samples.glob("step-*.png"))]
        save_gif(frames, self.folder.samples / "landscape.gif", milliseconds=200)
