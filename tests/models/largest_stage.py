"""The memory that one gradient takes at the largest size of `cfebm-512`, for `test_cfebm.py`.

`python -m tests.models.largest_stage chain|loss IMAGES` prints MiB: the peak of resident memory of this
process, less what it held before. The stage is half faded in, where both its new and its old part are in use.
A first gradient at the smallest size loads what torch loads once.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.peak import highest
from gibbsian.core.energy import value_and_grad
from gibbsian.core.random import generator
from gibbsian.models.cfebm.learner import CFEBM, build
from gibbsian.models.contrastive import energies_of_both
from gibbsian.nets.frozen import frozen
from gibbsian.train.recipes import resolve

SHAPE = (3, 512, 512)


def chain(learner: CFEBM, x: torch.Tensor) -> None:
    """One gradient by position, as a chain step takes it."""
    with frozen(learner):
        value_and_grad(learner.model.energy, x)


def loss(learner: CFEBM, x: torch.Tensor) -> None:
    """One gradient by parameters of E(x_pos) - E(x_neg), as an update takes it."""
    e_pos, e_neg = energies_of_both(learner.model.energy, x, x.flip(0))
    (e_pos.mean() - e_neg.mean()).backward()


def main(what: str, images: int) -> None:
    """Print the MiB that one gradient of so many images adds."""
    torch.set_num_threads(1)
    learner = build(resolve("cfebm", preset="cfebm-512").model, SHAPE, generator(0)).train()
    gradient = {"chain": chain, "loss": loss}[what]
    gradient(learner, torch.zeros(1, *SHAPE))
    before = highest()
    learner.model.latest.fill_(learner.milestones()[-1] + learner.config.stages.fade[0] // 2 - 1)
    assert tuple(learner.model.turn) == (6, 0.5)
    gradient(learner, torch.rand(images, *SHAPE, generator=generator(1)))
    assert what == "chain" or all(p.grad is not None for p in learner.model.net[-1].parameters())
    print(highest() - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
