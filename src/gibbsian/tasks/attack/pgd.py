"""Projected gradient ascent on the loss of a classifier, inside a ball around the clean image.

    x <- box( ball( x + a d ) ),    d = sign(g) for the maximum norm,  g / |g| for the Euclidean one,
    g = dL(x, y)/dx,                L = cross-entropy, or the margin  max_(j != y) l_j - l_y

The ball is around the clean image: clipping the last increment instead (as in the code released with IGEBM,
for L2) lets x drift `steps` times as far. Chance enters by random starts in the ball, and by the classifier.

Sources: A. Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018
(arXiv 1706.06083); N. Carlini, D. Wagner, Towards evaluating the robustness of neural networks, 2017
(arXiv 1608.04644), for the margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core.draws import normal, uniform
from ...core.energy import value_and_grad
from ...core.errors import UsageError, require_not_negative, unknown
from ...core.position import Position, expand, norm, rand_chains

Norm: TypeAlias = Literal["linf", "l2"]
LossName: TypeAlias = Literal["cross_entropy", "margin"]
Answers: TypeAlias = Callable[[Tensor], Tensor]
"""x `(B, *event)` to logits `(B, C)`, or to R draws of them `(R, B, C)`."""
SPREAD = 50.0
"""Logits further apart are scaled down for the cross-entropy: beyond 88 its gradient vanishes in float32."""


@dataclass(frozen=True)
class Ball:
    """All x with |x - clean| <= radius in the box [low, high], `radius` in units of x.

    Raises `UsageError` for an unknown norm, a negative radius and an empty box.
    """

    norm: Norm
    radius: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.norm not in get_args(Norm):
            raise unknown("norm", self.norm, get_args(Norm))
        require_not_negative(radius=self.radius)
        if not self.low < self.high:
            raise UsageError(f"the box [{self.low}, {self.high}] is empty: low must be below high")

    def project(self, x: Tensor, clean: Tensor) -> Tensor:
        """`x` `(B, *event)` moved into the ball around `clean`, then into the box, which keeps it there."""
        if self.norm == "linf":
            x = torch.maximum(torch.minimum(x, clean + self.radius), clean - self.radius)
        else:
            far = norm(x - clean)
            scale = self.radius / far.clamp(min=max(self.radius, torch.finfo(x.dtype).tiny))
            x = clean + (x - clean) * expand(scale, x)
        return x.clamp(self.low, self.high)

    def draw(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """A uniform point of the ball around each clean image, moved into the box."""
        if self.norm == "linf":
            shift = 2 * uniform(clean, rng) - 1
        else:
            shift = _unit(normal(clean, rng))
            length = rand_chains(clean, rng) ** (1 / clean[0].numel())
            shift = shift * expand(length, shift)
        return self.project(clean + self.radius * shift, clean)

    def climb(self, x: Tensor, grad: Tensor, size: float, clean: Tensor) -> Tensor:
        """One step of length `size` uphill; chains whose gradient is not finite stay where they are."""
        direction = grad.sign() if self.norm == "linf" else _unit(grad)
        moved = self.project(x + size * direction, clean)
        return torch.where(expand(torch.isfinite(norm(grad)), x), moved, x)


@dataclass(frozen=True)
class Climb:
    """How to climb: `steps` of `relative` * radius / steps each, from `restarts` random starts.

    Raises `UsageError` for an unknown loss and numbers out of range; 0 steps is a random point.
    """

    steps: int = 40
    restarts: int = 1
    loss: LossName = "cross_entropy"
    relative: float = 2.5

    def __post_init__(self) -> None:
        if self.loss not in get_args(LossName):
            raise unknown("loss", self.loss, get_args(LossName))
        if self.steps < 0 or self.restarts < 1:
            raise UsageError(
                f"{self.steps} steps from {self.restarts} starts: take 0 steps or more, from 1 start or more"
            )
        require_not_negative(relative=self.relative)


def pgd(
    answers: Answers,
    clean: Tensor,
    y: Tensor,
    ball: Ball,
    how: Climb,
    rng: torch.Generator,
    *,
    among: Tensor | None = None,
    stop: bool = True,
    watch: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Where the climbs came furthest, `(restarts, B, *event)`: each climb's point of the largest margin.

    Args:
        answers: what is climbed; with R draws of logits, the mean loss over the draws is.
        clean: images `(B, *event)` in the box, `y` their labels `(B,)`.
        rng: for the starts, on the device of `clean`; chance in `answers` is its own affair.
        among: bool `(B,)`, which images to attack; the others stay clean. Starts do not depend on it.
        stop: leave an image alone once it is misclassified, also in later restarts, which repeat its point.
            Right only where `answers` is the classifier itself, without chance.
        watch: called with the share of the work that is done.
    """
    found = [clean]
    going = torch.ones(len(clean), dtype=torch.bool, device=clean.device) if among is None else among.clone()
    for r in range(how.restarts):
        x, end, rows = ball.draw(clean, rng), found[-1].clone(), going.nonzero()[:, 0]
        if len(rows):
            run = _Run(answers, y[rows], ball, how, stop, part_of(watch, r, how.restarts))
            end[rows], margin = run.climb(x[rows], clean[rows])
            going[rows] = ~(margin > 0) if stop else going[rows]
        found.append(end)
    return torch.stack(found[1:])


def part_of(watch: Callable[[float], None], k: int, parts: int) -> Callable[[float], None]:
    """A watch for the part `k` of `parts`, which tells `watch` the share of the whole."""
    return lambda share: watch((k + share) / parts)


def margins(logits: Tensor, y: Tensor) -> Tensor:
    """max_(j != y) l_j - l_y, `(..., B)`, of logits `(..., B, C)`: above 0 means misclassified."""
    own, others = _parted(logits, y)
    return others.amax(-1) - own


def cross_entropies(logits: Tensor, y: Tensor) -> Tensor:
    """-log softmax(l)_y = softplus(logsumexp_(j != y) l_j - l_y), `(..., B)`, of logits `(..., B, C)`.

    Logits more than `SPREAD` apart are divided down to that, by a constant: the order of the classes stays.
    So the gradient does not vanish by rounding where the classifier is sure (N. Carlini 2019, arXiv
    1902.02322), as it does in the form with log softmax, whose 1 - p_y is 0 beyond 17.
    """
    apart = logits.detach().amax(-1) - logits.detach().amin(-1)
    own, others = _parted(logits / (apart / SPREAD).clamp(min=1.0)[..., None], y)
    return F.softplus(others.logsumexp(-1) - own)


def _parted(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The logit of the label `(..., B)`, and all logits with that one at minus infinity `(..., B, C)`."""
    own = F.one_hot(y, logits.shape[-1]).bool().expand(logits.shape)
    return logits[own].view(logits.shape[:-1]), logits.masked_fill(own, -torch.inf)


LOSSES: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropies,
    "margin": margins,
}


@dataclass(frozen=True, eq=False)
class _Run:
    """One climb of some images."""

    answers: Answers
    y: Tensor
    ball: Ball
    how: Climb
    stop: bool
    watch: Callable[[float], None]

    def climb(self, x: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """The points of the largest margin `(B, *event)`, and the margins `(B,)`."""
        best, height = x.clone(), torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
        rows = torch.arange(len(x), device=x.device)
        size = self.how.relative * self.ball.radius / max(self.how.steps, 1)
        for k in range(self.how.steps + 1):
            depth = _Depth(self.answers, self.y[rows], LOSSES[self.how.loss])
            grad = _gradient(depth, x, last=k == self.how.steps)
            higher = depth.margin > height[rows]
            best[rows[higher]], height[rows[higher]] = x[higher], depth.margin[higher]
            going = ~(depth.margin > 0) if self.stop else torch.ones_like(higher)
            if grad is None or not going.any():
                break
            rows, x = rows[going], self.ball.climb(x[going], grad[going], size, clean[rows[going]])
            self.watch(k / self.how.steps)
        return best, height


class _Depth:
    """-loss as an energy, mean over draws, that remembers the margin `(B,)` of its last call."""

    def __init__(self, answers: Answers, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.answers, self.y, self.loss = answers, y, loss
        self.margin = torch.empty(0)

    def __call__(self, x: Position) -> Tensor:
        logits = self.answers(x)  # type: ignore[arg-type]
        logits = logits if logits.dim() == 3 else logits[None]
        self.margin = margins(logits.detach(), self.y).mean(0)
        return -self.loss(logits, self.y).mean(0)


def _gradient(depth: _Depth, x: Tensor, *, last: bool) -> Tensor | None:
    """The gradient of the loss, `(B, *event)`; at the last point only the margin is looked at."""
    if last:
        with torch.no_grad():
            depth(x)
        return None
    grad = value_and_grad(depth, x)[1]
    assert isinstance(grad, Tensor)
    return -grad


def _unit(x: Tensor) -> Tensor:
    """`x` over its Euclidean norm, chain by chain; 0 stays 0.

    Divided by its largest entry first: the squares of a very sure classifier's gradient underflow.
    """
    least = torch.finfo(x.dtype).tiny
    x = x / expand(x.flatten(1).abs().amax(1).clamp(min=least), x)
    return x / expand(norm(x).clamp(min=least), x)
