"""Scores of a trained model, higher for an image that it takes to be of its training distribution.

    energy       -S(x), S the model's neg_log_prob, -log p up to a constant; its least over classes, if any
    lse          log sum_y exp(logit_y(x))             (W. Liu et al. 2020, arXiv 2010.03759)
    max_p        log max_y softmax(logits(x))          (D. Hendrycks, K. Gimpel 2017, arXiv 1610.02136)
    grad         -|dS/dx|, the approximate mass        (W. Grathwohl et al. 2020, arXiv 1912.03263)
    typicality   -|S(x) - mean S|                      (E. Nalisnick et al. 2019, arXiv 1906.02994)
    ratio        -S(x) + S_background(x)               (J. Ren et al. 2019, arXiv 1906.02845)
    complexity   -S(x) + L(x), L the bits of a PNG     (J. Serra et al. 2020, arXiv 1909.11480)
    levels       -sum over noise levels of S_t(x_t)

The mean of `typicality` is over training rows. In the last three numbers of different kinds are added: an
unnormalised energy has neither the unit nor the scale of bits or of another energy. So each is divided by its
standard deviation over training rows (and shifted by its mean, which changes no order), except that
the ratio of two models that are both `matched` is taken as it is, in nats. The published complexity score is
that of a likelihood in bits; the likelihood baselines have it exactly.

The softmax of a conditional energy that is not `joint` is no p(y | x), since Z(y) is unknown: `lse` and
`max_p` are then scores like any others, without a meaning as probabilities.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from PIL import Image
from torch import Tensor

from ...core.energy import score_function
from ...core.errors import UsageError, unknown
from ...core.random import derive, generator
from ...data.dataset import as_floats
from ...models.capabilities import MultiLevel, classifier, offered
from ...models.model import EnergyModel, device_of
from ...nets.frozen import frozen

Score: TypeAlias = Callable[[EnergyModel, Tensor], Tensor]
"""(model, uint8 images `(B, H, W)` or `(B, H, W, 3)`) to numbers `(B,)`, higher meaning inside."""
CHUNK = 250


@dataclass(frozen=True, eq=False)
class Known:
    """What scores may be set by: training images (uint8), a second model, a seed."""

    train: Tensor
    background: EnergyModel | None = None
    seed: int = 0


# -- scores that need nothing but the model ------------------------------------------------------------


def energy(model: EnergyModel, x: Tensor) -> Tensor:
    """-S(x)."""
    return -model.neg_log_prob(placed(model, x))


def lse(model: EnergyModel, x: Tensor) -> Tensor:
    """log sum exp of the logits; raises `UsageError` without a label head."""
    return classifier(model).logits(placed(model, x)).logsumexp(1)


def max_p(model: EnergyModel, x: Tensor) -> Tensor:
    """The largest softmax of the logits, as its logarithm, so that confident ones do not all round to 1."""
    logits = classifier(model).logits(placed(model, x)).double()
    top, place = logits.max(1)
    others = logits.scatter(1, place[:, None], -torch.inf).logsumexp(1)
    return torch.nn.functional.logsigmoid(top - others)


def grad(model: EnergyModel, x: Tensor) -> Tensor:
    """-|dS/dx|, the Euclidean norm over all values of an image in the model's range."""
    slope = cast(Tensor, score_function(lambda at: model.neg_log_prob(cast(Tensor, at)), placed(model, x)))
    return -slope.flatten(1).norm(dim=1)


# -- scores that are set by training rows or a second model --------------------------------------------


@dataclass(frozen=True)
class Scale:
    """What numbers over training rows are: v -> (v - mean) / deviation."""

    mean: float
    deviation: float

    @staticmethod
    def of(values: Tensor) -> Scale:
        """Mean and standard deviation of `(N,)`; a constant has deviation 1."""
        return Scale(float(values.mean()), float(values.std()) or 1.0)

    def __call__(self, values: Tensor) -> Tensor:
        """`values` in these units."""
        return (values.double() - self.mean) / self.deviation


def typicality(model: EnergyModel, known: Known) -> Score:
    """-|S(x) - mean of S over training rows|."""
    mean = float(evaluate(model, energy, known.train).mean())
    return lambda model, x: -(energy(model, x).double() - mean).abs()


def ratio(model: EnergyModel, known: Known) -> Score:
    """-S(x) + S_background(x); raises `UsageError` without a background model of the same shape."""
    other = known.background
    if other is None:
        raise UsageError("the score ratio needs a second run: name it with --background RUN")
    if other.spec.event_shape != model.spec.event_shape:
        raise UsageError(
            f"the background models data of shape {other.spec.event_shape}, the run "
            f"{model.spec.event_shape}: they must agree"
        )
    exact = model.claims_density and other.claims_density
    own, its = (
        Scale(0.0, 1.0) if exact else Scale.of(evaluate(s, energy, known.train)) for s in (model, other)
    )
    return lambda model, x: own(energy(model, x)) - its(energy(other, x))


def complexity(model: EnergyModel, known: Known) -> Score:
    """-S(x) + L(x), both in units of their deviation over training rows; raises `UsageError` for numbers."""
    if known.train.is_floating_point():
        raise UsageError("complexity is that of a picture, and these are rows of numbers")
    own, its = Scale.of(evaluate(model, energy, known.train)), Scale.of(png_bits(known.train))
    return lambda model, x: own(energy(model, x)) + its(png_bits(x)).to(x.device)


def levels(model: EnergyModel, known: Known) -> Score:
    """-sum over levels of S_t(x_t), each in units of its deviation over training rows; raises `UsageError`
    for models without a ladder."""
    ladder = offered(model, MultiLevel)
    if ladder is None:
        raise UsageError(
            f"{type(model).__name__} has no ladder of noise levels: the score levels is for drl and such"
        )

    def of_levels(model: EnergyModel, x: Tensor) -> Tensor:
        # A stream of its own for every chunk of images, so that scores repeat.
        rng = generator(derive(known.seed, "levels"), x.device)
        return ladder.level_terms(placed(model, x), rng)

    scales = [Scale.of(column) for column in evaluate(model, of_levels, known.train).T]

    def summed(model: EnergyModel, x: Tensor) -> Tensor:
        columns = of_levels(model, x).T
        return -torch.stack([scale(c) for scale, c in zip(scales, columns, strict=True)]).sum(0)

    return summed


PLAIN: dict[str, Score] = {"energy": energy, "lse": lse, "max_p": max_p, "grad": grad}
SET: dict[str, Callable[[EnergyModel, Known], Score]] = {
    "typicality": typicality,
    "ratio": ratio,
    "complexity": complexity,
    "levels": levels,
}
SCORES = (*PLAIN, *SET)


def scores_of(
    model: EnergyModel, names: Sequence[str] | None, known: Known
) -> tuple[dict[str, Score], dict[str, str]]:
    """The scores called `names`, ready to use, and why some are not there.

    Without `names` it is all that the model can give; named ones that it cannot give raise `UsageError`, as
    do unknown names.
    """
    check_names(names or ())
    found: dict[str, Score] = {}
    missing: dict[str, str] = {}
    for name in names or SCORES:
        try:
            found[name] = _ready(model, name, known)
        except UsageError as error:
            if names:
                raise
            missing[name] = str(error)
    return found, missing


def check_names(names: Iterable[str]) -> None:
    """Raise `UsageError` for a score that does not exist."""
    for name in names:
        if name not in SCORES:
            raise unknown("score", name, ("all", *SCORES))


def _ready(model: EnergyModel, name: str, known: Known) -> Score:
    if name in SET:
        return SET[name](model, known)
    evaluate(model, PLAIN[name], known.train[:1])
    return PLAIN[name]


def evaluate(model: EnergyModel, score: Score, x: Tensor) -> Tensor:
    """`score` of uint8 images `x` `(N, ...)`, on the CPU, float64, some at a time, the model frozen."""
    device = device_of(model)
    with frozen(model), torch.no_grad():
        parts = [score(model, part.to(device)).double().cpu() for part in x.split(CHUNK)]
    return torch.cat(parts)


def placed(model: EnergyModel, x: Tensor) -> Tensor:
    """uint8 images as floats `(B, C, H, W)` in the range of the model's data."""
    return as_floats(x, model.spec.low, model.spec.high)


def png_bits(x: Tensor) -> Tensor:
    """Bits of each uint8 image as a PNG file without its 57 bytes of frame, `(B,)`: how complex it is."""
    return torch.tensor([8.0 * _png_bytes(row) for row in x.cpu()], dtype=torch.float64)


def _png_bytes(row: Tensor) -> int:
    packed = io.BytesIO()
    Image.fromarray(row.numpy()).save(packed, "PNG", optimize=True)
    return packed.tell() - 57
