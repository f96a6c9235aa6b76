"""The one loop that draws samples: the stages of a sampler, run in chunks with the model frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.errors import UsageError, require_some
from ..core.files import own_path
from ..core.random import RngLike, Streams, as_generator
from ..core.show import spread
from ..mcmc.base import Chain, ChainInfo, ChainState, run
from ..nets.frozen import frozen
from .sampler import ChainStage, RunOptions, Sampler, Stages, next_stage

Observe = Callable[[int, ChainState, ChainInfo], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Samples:
    """What sampling returns.

    Attributes:
        x: data, `(n, *event_shape)`.
        y: labels `(n,)`, or none.
        energy: the energy that the last stage moved on, at its end, `(n,)`.
        chains: one chain a stage, in order: those of the first chunk, which with one chunk are all.
        range: values of black and white in pictures; those of the samples themselves by default.

    In a notebook they show a picture of themselves, where images or points in the plane were drawn.
    """

    x: Tensor
    y: Tensor | None
    energy: Tensor
    chains: list[Chain]
    range: tuple[float, float] | None = None

    def __repr__(self) -> str:
        labelled = "" if self.y is None else f", labels {int(self.y.min())} to {int(self.y.max())}"
        least, most = float(self.x.min()), float(self.x.max())
        stages = "".join(f"\n  {chain.info}" for chain in self.chains)
        return (
            f"Samples: {len(self.x)} of shape {tuple(self.x.shape[1:])}, values {least:.3g} to {most:.3g}"
            f"{labelled}, energy {spread(self.energy)}{stages}"
        )

    def __len__(self) -> int:
        return len(self.x)

    def picture(self) -> Image.Image:
        """A grid of the first images, or a plot of points in the plane: `.picture().save("samples.png")`.

        Raises `UsageError` for data of another shape.
        """
        from ..report import notebook  # pictures are for those who ask

        drawn = notebook.picture(self.x, *self._ends())
        if drawn is None:
            raise UsageError(f"samples of shape {tuple(self.x.shape[1:])} have no picture: use their x")
        return drawn

    def save(self, path: Path | str) -> Path:
        """Write these samples in the format that the ending of `path` says; returns the path.

        .npz holds x (images as uint8), energy, and y where there are labels; .csv a row a sample of the same;
        .npy x alone; .gif the kept positions of the chains as a film (draw with `thin`); .png and the like
        the `picture`. Raises `UsageError` for other endings and for what has no picture.
        """
        from ..report import arrays, notebook, pictures

        path = own_path(path)
        if path.suffix in (".npz", ".npy", ".csv"):
            named = arrays.arrays(self.x, *self._ends(), energy=self.energy, y=self.y)
            arrays.write(path, named)
        elif path.suffix == ".gif":
            trace = self.chains[-1].trace
            if not isinstance(trace, Tensor) or trace.shape[2:] != self.x.shape[1:]:
                raise UsageError(f"no positions of these samples' chains to film in {path}: draw with thin=1")
            pictures.save_gif([f for x in trace if (f := notebook.picture(x, *self._ends(), trace))], path)
        else:
            pictures.require_format(path)
            pictures.save_image(self.picture(), path)
        return path

    def _repr_png_(self) -> bytes | None:
        from ..report import notebook

        return notebook.png(self.x, *self._ends())

    def _ends(self) -> tuple[float, float]:
        low, high = self.range or (float(self.x.min()), float(self.x.max()))
        return low, high if high > low else low + 1


def require_counts(n: int, steps: int | None) -> None:
    """Raise `UsageError` unless at least 1 sample in at least 1 step is asked for."""
    for name, value in (("n", n), ("steps", steps)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UsageError(f"{name} is {value!r}: give a whole number")
    require_some({"n": n, "steps": steps})


def stream(rng: RngLike, seed: int, device: torch.device) -> torch.Generator:
    """The generator of a draw: that of `rng`, or without it the `eval` stream of `seed`."""
    return Streams(seed, device=device).eval if rng is None else as_generator(rng, device)


def draw_samples(
    module: nn.Module,
    sampler: Sampler,
    n: int,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    steps: int | None = None,
    thin: int = 0,
    chunk: int = 512,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    observe: Observe | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Draw `n` samples of a model by a sampler.

    Args:
        module: the model, kept still (`frozen`) while its chains run.
        sampler: gives the stages of the chains, and decodes where they end.
        n: number of samples, at least 1.
        rng: the only source of randomness, on the device of the model.
        y: labels of the samples, `(n,)`; None leaves them to the sampler.
        steps: steps of each stage, at least 1; None takes the sampler's own number.
        thin: keep every `thin`-th position in the trace of each chain; 0 keeps none.
        chunk: number of chains that run at once.
        options: precision and compiling of the chains.
        observe: called with (step, state, info) after every step; compiled chains then make one step a graph.
        progress: called with (steps done, steps) of a stage now and then.

    Raises `UsageError` for fewer than 1 sample, or 1 step where `steps` is given.
    """
    require_counts(n, steps)
    parts = []
    with frozen(module):
        for first in range(0, n, chunk):
            size = min(chunk, n - first)
            labels = None if y is None else y[first : first + size]
            stages = sampler.stages(size, rng, y=labels, steps=steps)
            parts.append(run_stages(stages, rng, options, thin=thin, observe=observe, progress=progress))
        x = torch.cat([sampler.decode(chains[-1].position) for chains in parts])
    energy = torch.cat([_final_energy(chains) for chains in parts])
    return Samples(x, y, energy, parts[0])


def run_stages(
    stages: Stages,
    rng: torch.Generator,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    *,
    thin: int = 0,
    observe: Observe | None = None,
    progress: Progress | None = None,
) -> list[Chain]:
    """Run the stages of a sampler, sending back where each ended. Returns one chain a stage.

    The arguments are those of `draw_samples`.
    """
    chains: list[Chain] = []
    stage: ChainStage | None = next(stages, None)
    while stage is not None:
        chain = run(
            stage.kernel,
            stage.energy,
            stage.position,
            steps=stage.steps,
            rng=rng,
            thin=thin,
            observe=observe,
            progress=progress,
            **options.arguments,
        )
        chains.append(chain)
        stage = next_stage(stages, chain.position)
    return chains


def _final_energy(chains: list[Chain]) -> Tensor:
    energy = chains[-1].energy
    if energy is None:
        raise RuntimeError("a chain ended without its energy")
    return energy
