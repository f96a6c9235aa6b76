"""Attacks by name. Adaptive ones differentiate the classifier that they attack; the papers' do not.

A classifier that refines its input is not attacked by looking at its network alone: the chain undoes what was
aimed at the network, and the accuracy measured is that of a classifier whose gradient is hidden (obfuscated
gradients, A. Athalye et al. 2018, arXiv 1802.00420). Expectation over the chain's noise is from the same
source; for energies of images M. Hill et al. 2021 (arXiv 2005.13525).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ...core.errors import UsageError, unknown
from .pgd import LossName
from .refinement import Classifier, Through

Target: TypeAlias = Literal["any", "plain", "refining"]


@dataclass(frozen=True)
class Attack:
    """How one attack looks at a classifier, and which `target` it is made for.

    `draws`: whether it climbs the mean of the loss over several draws of the chain's noise. `climbs`: whether
    it climbs at all; else it takes random points.
    """

    name: str
    about: str
    target: Target = "any"
    through: Through = "straight"
    loss: LossName = "cross_entropy"
    draws: bool = False
    climbs: bool = True

    def fits(self, refines: bool) -> bool:
        """Whether it attacks classifiers of this kind."""
        return self.target == "any" or (self.target == "refining") == refines

    def is_own(self, classifier: Classifier) -> bool:
        """Whether it sees the classifier's very answers, so that a misclassification is one."""
        hidden = classifier.refines and self.through == "plain"
        return self.climbs and not classifier.random and not hidden


NAMED = (
    Attack("pgd", "cross-entropy of the logits", "plain"),
    Attack("margin", "margin of the logits; straight through a refinement", loss="margin"),
    Attack("pgd-straight", "straight through the refinement", "refining"),
    Attack("pgd-full", "gradient through every step of the refinement", "refining", "full"),
    Attack("pgd-eot", "straight, the mean over draws of the chain's noise", "refining", draws=True),
    Attack("pgd-full-eot", "full, the mean over draws of the chain's noise", "refining", "full", draws=True),
    Attack("transfer", "aimed at the classifier that does not refine", "refining", "plain"),
    Attack("noise", "random points of the ball: a floor", climbs=False),
)
ATTACKS = {a.name: a for a in NAMED}
PAPERS = "papers"
WEAK = ("transfer", "noise")
"""Attacks that do not follow the gradient of the classifier itself."""


def attacks_for(words: Sequence[str], *, refines: bool, joint: bool) -> list[Attack]:
    """The attacks among `words` ("all", "papers" or names) for a classifier; several words may fit.

    "papers" is PGD on the logits and, on a refining classifier, what its paper did: JEM's went straight
    through the refinement, IGEBM's was aimed at the classifier that does not refine. Their names say so.
    Raises `UsageError` for an unknown name, and where none of them fits.
    """
    require_known(words)
    if list(words) == [PAPERS]:
        name = "pgd" if not refines else "pgd-straight" if joint else "transfer"
        return [replace(ATTACKS[name], name=f"{name} (paper's)")]
    wanted = list(ATTACKS) if list(words) == ["all"] else list(dict.fromkeys(words))
    found = [ATTACKS[name] for name in wanted if ATTACKS[name].fits(refines)]
    if not found:
        kind = "a classifier that refines its input" if refines else "a classifier that does not refine"
        able = ", ".join(a.name for a in NAMED if a.fits(refines))
        raise UsageError(f"none of {', '.join(wanted)} attacks {kind}: add one of {able}")
    return found


def require_known(words: Sequence[str]) -> None:
    """Raise `UsageError` for an unknown attack, naming the nearest; for "all" or "papers" beside others."""
    for word in words:
        if word not in (*ATTACKS, "all", PAPERS):
            raise unknown("attack", word, [*ATTACKS, "all", PAPERS])
    alone = [word for word in words if word in ("all", PAPERS)]
    if not words or (alone and len(words) > 1):
        raise UsageError(f"attacks are '{','.join(words)}': give 'all', 'papers', or names with commas")
