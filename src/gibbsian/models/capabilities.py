"""What some models can do besides: protocols that tasks ask for, in place of classes.

A capability belongs to the model, or to its default sampler where the model knows nothing of it: the ladder
of a score-matching model is in its sampler alone. `offered` asks both.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.errors import UsageError
from ..energies.noised_gaussian import NoisedGaussian
from .model import EnergyModel
from .sampler import Sampler

C = TypeVar("C")


def offered(model: EnergyModel, capability: type[C]) -> C | None:
    """The model or its default sampler, whichever has `capability`; none if neither has."""
    if isinstance(model, capability):
        return model
    sampler = model.samplers.get("default")
    return sampler if isinstance(sampler, capability) else None


@runtime_checkable
class Classifier(Protocol):
    """A model that scores classes."""

    joint: bool

    def logits(self, x: Tensor) -> Tensor:
        """A score for every class, `(B, classes)`, the highest being the answer; their softmax is p(y | x) if
        the model is `joint`. Raises `UsageError` for a model without classes.
        """


def classifier(model: EnergyModel) -> Classifier:
    """The model as a classifier; raises `UsageError` for one without classes."""
    if not isinstance(model, Classifier) or not model.spec.num_classes:
        raise UsageError(
            "this model has no label head, so it cannot classify: take jem, or igebm with net.classes > 0"
        )
    return model


@runtime_checkable
class Normalised(Protocol):
    """A model that learns log Z at every condition, and can measure how well."""

    def mass(self, rng: torch.Generator, y: Tensor | None = None, draws: int = 1000) -> Tensor:
        """The integral of p(. | y) at each condition `(B, C)` by importance sampling, `(B,)`: 1 is right."""


@runtime_checkable
class LevelEnergies(Protocol):
    """A model with an energy at every level of noise, above a Gaussian whose constant is known at each."""

    base: NoisedGaussian
    sigma_min: float
    sigma_max: float

    @property
    def knows_marginal(self) -> bool:
        """Whether it knows p(x), without a label or condition."""

    def at_level(self, sigma: float, y: Tensor | None = None) -> Energy:
        """-log p of data with noise `sigma`, as an energy of x."""

    def top(self, n: int, sigma: float, rng: torch.Generator) -> Tensor:
        """`n` draws `(n, *event_shape)` of the Gaussian with noise `sigma`."""


@runtime_checkable
class Encoder(Protocol):
    """A model that gives each data point a latent."""

    def latents(self, x: Tensor) -> Tensor:
        """`(B, latent)` of data `(B, *event_shape)`."""


@runtime_checkable
class MultiLevel(Protocol):
    """Noise levels, from 0 (the cleanest) to `levels` - 1, through which samples go down."""

    @property
    def levels(self) -> int:
        """How many levels; 0 where this model was trained without a ladder."""

    def noised(self, x: Tensor, level: int, rng: torch.Generator) -> Tensor:
        """Data `(B, *event_shape)` as chains of a level have them."""

    def level_terms(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """A term of every level at one draw of its noise, `(B, levels)`, low where data are likely."""

    def descent(self, x: Tensor, sigma: float) -> Sampler:
        """The sampler from data with Gaussian noise of deviation `sigma` down to clean ones. Raises
        `UsageError` where chains cannot begin there.
        """


@runtime_checkable
class Denoiser(Protocol):
    """A model that knows the score of noisy data."""

    def noisy_score(self, x: Tensor, sigma: float) -> Tensor:
        """grad log p at data `(B, *event_shape)` with Gaussian noise of standard deviation `sigma`."""


@runtime_checkable
class Translator(Protocol):
    """A model with a chain of its own from images of another domain."""

    def translation(self, x: Tensor, *, steps: int | None = None) -> Sampler:
        """The sampler of just N chains from images `x` `(N, *event_shape)`."""


@runtime_checkable
class Measured(Protocol):
    """A model with numbers of its own on held-out data."""

    def extra_metrics(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """Numbers by name at data `x` `(N, *event_shape)`, such as KALE or the ELBO, in nats."""


@runtime_checkable
class Adjustable(Protocol):
    """What may be drawn from in other ways than its own: by other settings of its attribute, and of the
    section of a configuration, that `section` names.
    """

    section: str

    def sampler_with(self, settings: Any) -> Sampler:
        """The sampler of other settings."""


@runtime_checkable
class Scalable(Protocol):
    """A model whose energy is one network of x, so that another learner may go on with it."""

    net: nn.Module

    def scale(self) -> float:
        """The factor that makes the network's output -log p(x) up to a constant.

        Raises `UsageError` where the energy is more than its network, or has no temperature.
        """
