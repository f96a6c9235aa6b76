"""The chain that begins at images and moves them, on the energy of a domain or of a class.

    x_0 = source image,    x <- x - (s/2) grad E(x) (+ noise)

Models trained to translate (coarse-to-fine, mode "translate": Y. Zhao, J. Xie, P. Li, ICLR 2021) bring their
own chain; every other energy on images moves by its chain from data, under a class where it has classes.
Those that know levels of noise can begin at one: noise hides what is finer than it, and the way down puts
there what the energy knows (SDEdit: C. Meng et al., ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.random import RngLike, as_generator
from ...data.own import Given
from ...models.capabilities import Translator
from ...models.labels import checked_labels
from ...models.model import EnergyModel, device_of
from ...models.sampler import ChainStage, Sampler, Stages, WrappedSampler
from ...models.samples import draw_samples
from ..chains import from_noise, total_steps
from ..film import Film
from ..parts import class_number, model_of, part_of

MOST = 30
"""Classes up to which chains go from every class to every other."""


def stages_from(
    model: EnergyModel, x: Tensor, y: Tensor | None, rng: torch.Generator, steps: int | None = None
) -> Stages:
    """The chain from images `x` `(N, *event)` under the labels `y`: `steps` (those of the model's own sampler
    by default), then what leads back to data.

    Raises `UsageError` where chains move latents.
    """
    begun = model.sampler().from_data(x, rng, y)
    end = yield ChainStage(begun.energy, begun.kernel, steps or total_steps(model, rng), begun.position)
    if begun.remaining is not None:
        yield from begun.remaining(end)


def translation(
    model: EnergyModel,
    x: Tensor,
    *,
    to: int | None = None,
    steps: int | None = None,
    noise: float | None = None,
) -> Sampler:
    """The sampler of just N chains from images `x` `(N, *event)`, to the class `to` of a conditional model.

    `steps` default to those of the model's own sampler. With `noise`, a share of the model's range, chains
    come down from that level (`from_noise`). Raises `UsageError` for an unknown class, a class missing or
    superfluous, images of another shape, and models whose chains move latents.
    """
    if tuple(x.shape[1:]) != model.spec.event_shape:
        raise UsageError(
            f"images to translate have shape {tuple(x.shape[1:])}: this model takes {model.spec.event_shape}"
        )
    classes = model.spec.num_classes
    if classes and to is None:
        raise UsageError(f"this model has {classes} classes: say which one with --to 0 to --to {classes - 1}")
    labels = checked_labels(model, len(x), to)
    if noise is not None:
        return WrappedSampler(
            model.sampler(), lambda n, rng, **asked: from_noise(model, x, noise, labels, rng, steps)
        )
    if isinstance(model, Translator):
        return model.translation(x, steps=steps)
    return WrappedSampler(model.sampler(), lambda n, rng, **asked: stages_from(model, x, labels, rng, steps))


def translate(
    model: EnergyModel | str | Path,
    x: Given,
    *,
    rng: RngLike = None,
    to: int | None = None,
    steps: int | None = None,
    noise: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Film]:
    """Images `(N, *event)` in the target's domain from `x`, and the film of the chains.

    `x` are floats `(N, *event)` in the range of the model, or anything that `gibbsian.dataset` takes: files,
    folders and arrays are read as in training and come in the model's size and colour.
    Raises `UsageError` as `translation` does.
    """
    model = model_of(model)
    if not (isinstance(x, Tensor) and x.is_floating_point()):
        data = part_of(x, "all", model.spec)
        x = data.batch(torch.arange(len(data)), model.spec.low, model.spec.high).x.to(device_of(model))
    rng = as_generator(rng, device_of(model))
    watched = Film(translation(model, x, to=to, steps=steps, noise=noise), progress=progress)
    drawn = draw_samples(model, watched, len(x), rng=rng, chunk=len(x), observe=watched.observe)
    return drawn.x, watched


def class_targets(to: Sequence[int | str] | None, classes: int, names: Sequence[str]) -> list[int]:
    """Numbers of the classes `to`, or of all; raises `UsageError` for unknown ones, and for too many."""
    asked = None if to is None else [class_number(one, names) for one in to]
    if asked is None and classes > MOST:
        raise UsageError(f"{classes} classes make {classes**2:,} pairs: name some classes with --to")
    wrong = [t for t in asked or () if not 0 <= t < classes]
    if wrong:
        raise UsageError(f"class {wrong[0]} is unknown: this model has classes 0 to {classes - 1}")
    return list(range(classes)) if asked is None else list(dict.fromkeys(asked))
