"""Models made of models: products, mixtures, negations, conditionals, each part at its own temperature.

    product(a, b)  or  a + b           p_a(x) p_b(x)            and
    mixture(a, b)                      p_a(x) / 2 + p_b(x) / 2  or
    negation(a, b, alpha)              p_a(x) / p_b(x)^alpha    not
    conjunction(joint, [c1, c2, ...])  p(x | c1, c2, ...), for causes that are independent given x

Two conditionals p(x | c1) p(x | c2) of one model hold p(x) twice: for causes independent given x,

    p(x | c1 ... cn) ~ p(x)^(1-n) prod p(x | ci),     E = sum E(x | ci) - (n - 1) E(x),

which `conjunction` takes, with weights w as E(x) + sum w_i (E(x | ci) - E(x)) (N. Liu et al. 2022, arXiv
2206.01714). The plain sum of Y. Du et al. (2020, arXiv 2004.06030) is the product of `conditional` models.

Chains run through the stages of the parts side by side, so that ladders are composed level by level (Y. Du
et al. 2023, arXiv 2302.11552): the noised product is not the product of the noised parts, so each level is
sampled anew and no reverse process is followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from ..core.energy import Energy, called
from ..core.errors import UsageError
from ..core.position import Position, batch_size
from ..energies.algebra import Mixture, Negation, Product, Scaled
from .composed_sampler import Composition, OfLabel
from .labels import checked_labels
from .model import ComposedEnergy, EnergyModel, device_of
from .units import in_units

Label: TypeAlias = int | Tensor
"""A class, or a condition `(D,)`."""
FAR = (1e1, 1e2, 1e3)
"""Distances, in ranges of the data, at which tails are looked at."""
TRIED = 20
"""Powers, each half of the last, among which one with a normaliser is looked for."""


class ConditionalModel(EnergyModel):
    """p(x | y) of a model with classes or conditions, as a model without: `conditional(model, 3)`."""

    y: Tensor

    def __init__(self, model: EnergyModel, y: Label) -> None:
        if not model.spec.conditional:
            raise UsageError(f"class {y} is unknown: this model has no classes")
        found = checked_labels(model, 1, y)
        super().__init__(model.spec.unconditional())
        self.model = model
        self.register_buffer("y", found, persistent=False)
        self.temperature, self.claims_density = model.temperature, model.claims_density
        if "default" in model.samplers:
            self.samplers["default"] = OfLabel(model.samplers["default"], self.y)

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x, y) at the class, `(B,)`."""
        self.spec.refuse_labels(y)
        return self.model.energy(x, self._labels(x))

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """-log p(x | y) at the class, up to a constant, `(B,)`."""
        self.spec.refuse_labels(y)
        return self.model.neg_log_prob(x, self._labels(x))

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """What chains of the model move on at the class."""
        self.spec.refuse_labels(y)
        return lambda x: called(self.model.conditioned(self._labels(x)), x)

    @property
    def chain_temperature(self) -> float:
        """As the model's."""
        return self.model.chain_temperature

    def _labels(self, x: Position) -> Tensor:
        return self.y.expand(batch_size(x), *self.y.shape[1:])


def product(*models: EnergyModel, weights: Sequence[float] | None = None) -> EnergyModel:
    """The product of densities p(x) ~ prod p_i(x)^w_i of models, each at its own temperature.

    Raises `UsageError` for fewer than two models, data of other shapes, weights that are not finite or as
    many, and where a negative weight leaves a distribution without a normaliser.
    """
    if weights is None:
        return _composed(models)
    if len(weights) != len(models) or not all(math.isfinite(w) for w in weights):
        raise UsageError(f"weights are {list(weights)}: give a finite one for each of {len(models)} models")

    def weighed(energies: Sequence[Energy]) -> Energy:
        return Product([e if w == 1 else Scaled(e, w) for e, w in zip(energies, weights, strict=True)])

    made = _composed(models, weighed, walls=min(weights) < 0)
    if min(weights) < 0:
        require_normalisable(made, "lower the negative weights")
    return made


def mixture(
    *models: EnergyModel, weights: Sequence[float] | None = None, log_z: Sequence[float] | None = None
) -> EnergyModel:
    """The mixture p(x) = sum w_i p_i(x) of models; equal weights by default.

    Its energy needs log Z_i of each model's `neg_log_prob` (`log_z`), which is 0 for models that learn their
    log-partition. Where it is not given, it is taken as 0: the shares of the energy are then w_i Z_i, so the
    mixture claims no density. Raises `UsageError` as `product`, and unless weights are positive.
    """
    known = log_z is not None or all(_normalised(part) for part in models)
    shares = Mixture(list(models), weights).weights or ()  # checks and normalises them
    return _composed(models, lambda energies: Mixture(energies, weights, log_z), claims=known, shares=shares)


def negation(
    model: EnergyModel, negated: EnergyModel, alpha: float = 0.1, ceiling: float | None = None
) -> EnergyModel:
    """p(x) ~ p_1(x) / p_2(x)^alpha: like the first model and unlike the second.

    `ceiling` bounds -log p_2 from above, so that leaving the second cannot earn more than alpha * ceiling.
    Raises `UsageError` where nothing bounds the result from below, so that it has no normaliser.
    """

    def at(power: float) -> EnergyModel:
        pair = [model, negated]
        return _composed(pair, lambda both: Negation(both[0], both[1], power, ceiling), walls=True)

    made = at(alpha)
    if _falls(made) is not None:
        passing = (power for power in halves(alpha) if _falls(at(power)) is None)
        known = next((f"alpha {power:.3g} has one" for power in passing), "smaller powers have none either")
        require_normalisable(made, f"{known}; or give a ceiling for the energy of the second")
    return made


def conjunction(
    model: EnergyModel, classes: Sequence[Label], weights: Sequence[float] | None = None
) -> EnergyModel:
    """p(x | c_1, ..., c_n) of a joint model for causes that are independent given x: E(x) + sum_i w_i
    (E(x | c_i) - E(x)), with weights 1 by default. Of a model of p(x | c) that was trained with
    `net.condition_dropout` c_i are vectors with zeros for what is not given; one of classes that was trained
    with `label_dropout` (noise_energy) gives both energies too.

    Raises `UsageError` for fewer than two classes, and for models without an E(x) of their own.
    """
    if len(classes) < 2:
        raise UsageError(f"a conjunction needs two classes or more, got {list(classes)}")
    if not model.knows_marginal:
        raise UsageError(
            "this model has E(x, y) alone, whose Z(y) are unknown, so it has no E(x) to take away: train a "
            "joint one (jem), noise_energy with label_dropout, or one of p(x | c) with "
            "net.condition_dropout, or take the plain sum (--plain), the product of its conditional models"
        )
    parts = [conditional(model, c) for c in classes]
    background = model if model.joint else conditional(model, torch.zeros(model.spec.label_size))
    own = [1.0] * len(classes) if weights is None else list(weights)
    return product(*parts, background, weights=[*own, 1 - sum(own)])


def conditional(model: EnergyModel, y: Label) -> EnergyModel:
    """p(x | y) of a model with classes, or with conditions `(D,)`, as a model without.

    Raises `UsageError` for an unknown class, and for a condition of another length.
    """
    return in_units(ConditionalModel(model.inner, y))


def halves(alpha: float) -> list[float]:
    """alpha / 2, alpha / 4, ..."""
    return [alpha / 2**k for k in range(1, TRIED)]


def require_normalisable(model: EnergyModel, remedy: str) -> None:
    """Raise `UsageError` where the energy falls without end far from the data, while that of the first part
    rises there. Images end at the walls of their range.
    """
    found = _falls(model)
    if found is not None:
        raise UsageError(
            f"this has no normaliser: its energy falls from {found[0]:.3g} to {found[1]:.3g} between 10 and "
            f"1,000 ranges away from the data; {remedy}"
        )


@torch.no_grad()
def _falls(made: EnergyModel, directions: int = 64) -> tuple[float, float] | None:
    """Energies at the first and last of `FAR` on a way on which they fall; none where there is no such."""
    model = cast(ComposedEnergy, made.inner)
    spec = model.spec
    if spec.is_image:
        return None
    ways = torch.randn(directions, prod(spec.event_shape), generator=torch.Generator().manual_seed(0))
    ways = ways / ways.norm(dim=1, keepdim=True) * (spec.high - spec.low)
    at = [(r * ways).view(-1, *spec.event_shape).to(device_of(model)) for r in FAR]
    risen = [model.models[0].neg_log_prob(x) for x in at]
    whole = [model.energy(x) for x in at]
    flat = 1e-5 * risen[2].abs()  # what does not rise has no normaliser either
    falls = (whole[2] <= whole[1] + flat) & (whole[1] <= whole[0] + flat) & (risen[2] > risen[0])
    return (float(whole[0][falls][0]), float(whole[2][falls][0])) if bool(falls.any()) else None


def _composed(
    models: Sequence[EnergyModel], *how: Composition, walls: bool = False, **more: Any
) -> EnergyModel:
    """The composition of models; of those of a table it is seen in the table's units."""
    return in_units(ComposedEnergy(models, *how, walls=walls, **more))


def _normalised(part: EnergyModel) -> bool:
    return part.claims_density and getattr(part, "log_partition", None) is not None
