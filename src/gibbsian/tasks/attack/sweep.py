"""One classifier under several attacks at several radii.

An image counts as right at a radius if it is right when clean, and under every point that an attack offered
there or at a smaller radius (whose ball lies inside). So accuracies fall with the radius, and further attacks
only lower them. A classifier that draws noise draws the same for all points of an image, which the attacker
did not see: else many tries would break it by its own chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ...core.errors import UsageError, require_not_negative
from ...core.position import expand
from ...core.random import derive, generator
from ...metrics.interval import Interval, share_interval
from .attacks import Attack
from .pgd import Ball, Climb, Norm, part_of, pgd
from .refinement import Classifier

SHOWN = 8
"""Images whose attacked versions are kept for the picture."""
Watch = Callable[[float, str], None]


@dataclass(frozen=True)
class Threat:
    """What an attacker may do, the same for every classifier.

    Args:
        norm: "linf" or "l2".
        eps: radii in pixels of range 1; put in order, and 0 added.
        steps, restarts: of every climb.
        eot: draws of the chain's noise in a mean.
        batch: network inputs at once, which bounds the memory; chains get other noise with another number.
        seed: of starts and noise.

    Raises:
        UsageError: for numbers out of range.
    """

    norm: Norm = "linf"
    eps: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3)
    steps: int = 40
    restarts: int = 2
    eot: int = 4
    batch: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        for eps in self.eps:
            require_not_negative(eps=eps)
        object.__setattr__(self, "eps", tuple(sorted({0.0, *self.eps})))
        Ball(self.norm, 0.0, 0.0, 1.0)
        Climb(self.steps, self.restarts)
        for name in ("steps", "eot", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be at least 1")

    def noise(self, what: str, part: int, device: torch.device) -> torch.Generator:
        """The stream of chance for one purpose and batch of images."""
        return generator(derive(self.seed, f"attack/{what}/{part}"), device)


@dataclass(frozen=True, eq=False)
class Examples:
    """The first images that are right when clean, and what became of them: `x` `(S, *event)`, `y` `(S,)`;
    `points[attack]` `(E, S, *event)` with the answers `said[attack]` `(E, S)`."""

    x: Tensor
    y: Tensor
    points: dict[str, Tensor]
    said: dict[str, Tensor]

    @property
    def telling(self) -> int:
        """The place of the first radius above 0 at which half of the images fell, or of the last."""
        said = torch.stack(list(self.said.values()))
        fell = (said != self.y).any(0).float().mean(1)
        found = [e for e in range(1, len(fell)) if fell[e] >= 0.5]
        return found[0] if found else len(fell) - 1

    def broken(self, e: int) -> tuple[Tensor, Tensor]:
        """Points `(S, *event)` and answers `(S,)` of the first attack that broke each image, or of the
        first of all."""
        said = torch.stack([answers[e] for answers in self.said.values()])
        points = torch.stack([ends[e] for ends in self.points.values()])
        first, rows = (said != self.y).int().argmax(0), torch.arange(len(self.y))
        return points[first, rows], said[first, rows]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Which images were still right: by attack, `(E, n)` bool for the radii `eps` in order, the first 0."""

    eps: tuple[float, ...]
    right: dict[str, Tensor]
    examples: Examples

    @property
    def n(self) -> int:
        """Images."""
        return next(iter(self.right.values())).shape[1]

    @property
    def worst(self) -> list[Interval]:
        """The share of images that no attack broke, by radius: the headline."""
        return _shares(torch.stack(list(self.right.values())).all(0))

    def only_by(self, weak: Sequence[str]) -> list[int]:
        """Images that attacks named in `weak` broke and no other did, by radius; 0 where all are weak."""
        strong = [right for name, right in self.right.items() if name not in weak]
        if not strong:
            return [0] * len(self.eps)
        every = torch.stack(list(self.right.values())).all(0)
        return [int(k) for k in (torch.stack(strong).all(0) & ~every).sum(1)]

    @property
    def by_attack(self) -> dict[str, list[Interval]]:
        """The share of images that one attack did not break, by radius."""
        return {name: _shares(right) for name, right in self.right.items()}


def sweep(
    classifier: Classifier,
    attacks: Sequence[Attack],
    x: Tensor,
    y: Tensor,
    box: tuple[float, float],
    threat: Threat,
    watch: Watch = lambda share, note: None,
) -> Outcome:
    """Attack images `x` `(n, *event)` in the `box` (low, high) with labels `y` `(n,)`.

    `watch` is called with the share of the work that is done, and with what is being done. Run it under
    `frozen` of the network.
    """
    target = _Target(classifier, x, y, box, threat)
    clean = target.right(x, torch.ones_like(y, dtype=torch.bool))
    shown = clean.nonzero()[:SHOWN, 0]
    right: dict[str, Tensor] = {}
    points: dict[str, Tensor] = {}
    said: dict[str, Tensor] = {}
    for k, attack in enumerate(attacks):
        told = part_of(partial(_noted, watch, attack.name), k, len(attacks))
        held, seen, answered = target.swept(attack, clean, shown, told)
        right[attack.name], points[attack.name], said[attack.name] = held, seen, answered
    return Outcome(threat.eps, right, Examples(x[shown].cpu(), y[shown].cpu(), points, said))


@dataclass(frozen=True, eq=False)
class _Target:
    """A classifier with the images on which it is attacked."""

    classifier: Classifier
    x: Tensor
    y: Tensor
    box: tuple[float, float]
    threat: Threat

    def swept(
        self, attack: Attack, clean: Tensor, shown: Tensor, watch: Callable[[float], None]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One attack at every radius: right `(E, n)`; the points `(E, S, *event)` and answers `(E, S)` of the
        images at `shown`."""
        held, ends = clean, self.x
        wanted = torch.zeros_like(clean).index_fill(0, shown, True)
        kept, seen, said = [held], [ends[shown]], [self.y[shown]]
        for e, eps in enumerate(self.threat.eps[1:]):
            held, ends = self._attacked(attack, eps, held, ends, part_of(watch, e, len(self.threat.eps) - 1))
            kept.append(held)
            seen.append(ends[shown])
            said.append(self.said(ends, wanted)[shown])
        return torch.stack(kept).cpu(), torch.stack(seen).cpu(), torch.stack(said).cpu()

    def right(self, x: Tensor, asked: Tensor) -> Tensor:
        """Which images of `x` `(n, *event)` are classified right, `(n,)`, among those `asked`."""
        return (self.said(x, asked) == self.y) & asked

    def said(self, x: Tensor, asked: Tensor) -> Tensor:
        """The answers `(n,)`; -1 where they are not finite, and in batches of which nothing is `asked`."""
        out = torch.full_like(self.y, -1)
        for k, part in enumerate(self._parts(self.classifier.rows)):
            if bool(asked[part].any()):
                logits = self.classifier(x[part], self.threat.noise("eval", k, x.device))
                out[part] = torch.where(torch.isfinite(logits).all(1), logits.argmax(1), -1)
        return out

    def _attacked(
        self, attack: Attack, eps: float, held: Tensor, ends: Tensor, watch: Callable[[float], None]
    ) -> tuple[Tensor, Tensor]:
        """Which images are right still `(n,)`, and the points that broke the others, or were tried last."""
        for points in self._points(attack, eps, held, watch):
            ends = torch.where(expand(held, ends), points, ends)
            held = held & self.right(ends, held)
        return held, ends

    def _points(self, attack: Attack, eps: float, held: Tensor, watch: Callable[[float], None]) -> Tensor:
        """The points of every restart `(restarts, n, *event)`; images that are not `held` stay clean."""
        threat, (low, high) = self.threat, self.box
        ball = Ball(threat.norm, eps * (high - low), low, high)
        how = Climb(threat.steps if attack.climbs else 0, threat.restarts, attack.loss)
        draws = threat.eot if attack.draws and self.classifier.random else 1
        kept = self.classifier.steps if attack.through == "full" else 1
        parts, found = self._parts(self.classifier.rows * draws * kept), []
        for k, part in enumerate(parts):
            noise = threat.noise(f"{attack.name}/{eps}", k, self.x.device)
            points = pgd(
                self.classifier.seen(attack.through, draws, noise),
                self.x[part],
                self.y[part],
                ball,
                how,
                noise,
                among=held[part],
                stop=attack.is_own(self.classifier),
                watch=part_of(watch, k, len(parts)),
            )
            found.append(points)
        return torch.cat(found, 1)

    def _parts(self, inputs: int) -> tuple[Tensor, ...]:
        """The images in batches of at most `batch` network inputs."""
        return torch.arange(len(self.x)).split(max(1, self.threat.batch // inputs))


def _noted(watch: Watch, note: str, share: float) -> None:
    watch(share, note)


def _shares(right: Tensor) -> list[Interval]:
    return [share_interval(int(r.sum()), right.shape[1]) for r in right]
