"""`gibbsian.sample`: draw from a model, or from any energy by a kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.explain import shown
from ..core.position import Position
from ..core.random import RngLike
from ..energies.conditional import Given
from ..mcmc.base import Kernel, run
from ..nets.frozen import frozen, modules_of
from ..starts.base import Start
from ..starts.noise import GaussianNoise, UniformNoise
from .labels import checked_labels
from .model import EnergyModel, device_of
from .sampler import RunOptions, Sampler
from .samples import Samples, require_counts, stream
from .units import InUnits

STEPS = 1000
"""Steps of a kernel's chain where none are given."""


def sample(
    target: EnergyModel | Energy,
    n: int,
    *,
    kernel: Kernel | None = None,
    start: Start | Tensor | np.ndarray | tuple[int, ...] | None = None,
    y: int | Tensor | None = None,
    steps: int | None = None,
    seed: int = 0,
    rng: RngLike = None,
    thin: int = 0,
    chunk: int = 512,
    sampler: str | Sampler = "default",
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> Samples:
    """Draw `n` samples of a model by its own sampler, or of any energy by `kernel` at temperature 1.

    Args:
        target: a model, or a callable from positions `(B, *event)` to energies `(B,)`.
        kernel: moves chains on the model's -log p, or on the energy; by default the model's sampler draws.
        start: where the kernel's chains begin: a start such as `UniformNoise`, positions `(n, *event)`, or an
            event shape for N(0, 1); by default uniform on the data range of a model.
        y: class of a conditional model, one for all or a `(n,)` tensor.
        steps: chain steps; by default the sampler's own number, or 1,000 of a kernel.
        seed: seed of the draw, unless `rng`, a generator or a seed, is given. The same seed gives the same
            samples.
        thin: keep every `thin`-th position in `result.chains[i].trace`; 0 keeps none.
        chunk: chains that a model's sampler moves together; a kernel moves all.
        sampler: one of the model's `samplers`, by name, where no kernel is given.
        options: precision and compiling of the chains.

    A kernel moves chains on E/T whether or not the model claims to be a density (`claims_density`).

    Raises:
        UsageError: n or steps below 1, unknown classes or samplers, a sampler beside a kernel, an energy
            without a kernel or a start.
    """
    if kernel is None:
        if not isinstance(target, EnergyModel):
            if not callable(target) or isinstance(target, type):
                raise UsageError(
                    f"target is {shown(target)}: give a model, such as gibbsian.load(PATH) or what "
                    "gibbsian.fit(NAME, DATA) returns, or an energy with a kernel"
                )
            raise UsageError("an energy alone has no sampler: give a kernel, such as kernel=gb.MALA(0.1)")
        return target.sample(
            n, y=y, steps=steps, seed=seed, rng=rng, thin=thin, chunk=chunk, sampler=sampler, options=options
        )
    if isinstance(target, InUnits):
        drawn = sample(
            target.inner,
            n,
            kernel=kernel,
            start=target.inside(start) if isinstance(start, Tensor) else start,
            y=y,
            steps=steps,
            seed=seed,
            rng=rng,
            thin=thin,
            sampler=sampler,
            options=options,
        )
        return target.outside(drawn)
    require_counts(n, steps)
    if sampler != "default":
        raise UsageError("a kernel and a sampler are two ways to draw: give one of them")
    if not isinstance(target, EnergyModel):
        owners = modules_of(target)
        rng = stream(rng, seed, device_of(owners[0]) if owners else torch.device("cpu"))
        return _moved(target, kernel, _begin(start, n, rng), steps or STEPS, rng, thin, options)
    rng = stream(rng, seed, device_of(target))
    spec, labels = target.spec, checked_labels(target, n, y)
    default = UniformNoise(spec.event_shape, spec.low, spec.high)
    begin = _begin(default if start is None else start, n, rng)
    with frozen(target):
        found = _moved(_density(target, labels), kernel, begin, steps or STEPS, rng, thin, options)
    return Samples(found.x, labels, found.energy, found.chains, (spec.low, spec.high))


def _density(model: EnergyModel, y: Tensor | None) -> Energy:
    """-log p(x), or -log p(x | y), as an energy of positions."""
    if y is None:
        return model.neg_log_prob
    return Given(model.neg_log_prob, y)


def _begin(
    start: Start | Tensor | np.ndarray | Sequence[int] | None, n: int, rng: torch.Generator
) -> Position:
    if start is None:
        raise UsageError(
            "these chains have no place to begin: give start, such as start=gb.UniformNoise((2,), -2, 2)"
        )
    if isinstance(start, np.ndarray):
        start = torch.as_tensor(start, dtype=torch.float32, device=rng.device)
    if isinstance(start, Tensor):
        if len(start) != n:
            raise UsageError(f"{n} samples from {len(start)} positions: give as many")
        return start
    begun = GaussianNoise(tuple(start)) if isinstance(start, Sequence) else start
    return begun.draw(n, rng).position


def _moved(
    energy: Energy,
    kernel: Kernel,
    begin: Position,
    steps: int,
    rng: torch.Generator,
    thin: int,
    options: RunOptions,
) -> Samples:
    chain = run(kernel, energy, begin, steps=steps, rng=rng, thin=thin, **options.arguments)
    x = chain.position if isinstance(chain.position, Tensor) else chain.position[0]
    assert chain.energy is not None
    return Samples(x, None, chain.energy, [chain])
