"""The cases: which chains, on which network, and what the engine should reach on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import torch

from gibbsian.core.errors import unknown
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.nets.families import AnyNet
from gibbsian.nets.settings import MLPConfig
from gibbsian.train.recipes import presets

from .problems import Problem, chains, latent_chains, updates

Kind: TypeAlias = Literal["own", "compiled", "fp32", "bf16", "any", "ceiling"]


@dataclass(frozen=True)
class Goal:
    """`at_least` times as fast as the better peer, or for "ceiling" at least that share of the float32
    ceiling's speed, by `kind`: "own" is a module of one's own, eager, for which `verdict.NEAR` of the ceiling
    does too where more than 1 is asked; "compiled"; "fp32" and "ceiling" the better of eager and compiled in
    float32; "bf16" the better in bfloat16; "any" the best of all.
    """

    kind: Kind
    at_least: float


@dataclass(frozen=True)
class Case:
    """A named problem; `cold`: starts of the compiled path are measured on it, in processes of their own."""

    name: str
    about: str
    build: Callable[[torch.device], Problem]
    goals: tuple[Goal, ...] = ()
    cold: bool = False


MLP = MLPConfig(hidden=(128, 128), activation="swish")
SMALL_CONV = presets("igebm")["uva-mnist"].model.net
LARGE_CONV = replace(SMALL_CONV, channels=(64, 128, 256, 256))
IMAGE, COLOUR = (1, 28, 28), (3, 32, 32)


def _pixels(net: AnyNet, steps: int) -> Callable[[torch.device], Problem]:
    return partial(chains, net, IMAGE, 128, steps, 2.0, 0.01)


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            "mlp-64",
            "64 chains in the plane, 2-128-128-1 swish MLP, 500 steps",
            partial(chains, MLP, (2,), 64, 500, 0.01, 0.1),
            (Goal("own", 1.25), Goal("compiled", 3.0)),
            cold=True,
        ),
        Case(
            "mlp-2000",
            "2,000 chains on the same MLP, 200 steps",
            partial(chains, MLP, (2,), 2000, 200, 0.01, 0.1),
            (Goal("own", 1.1), Goal("fp32", 2.0), Goal("ceiling", 0.6)),
        ),
        Case(
            "conv-16",
            "128 grey 28x28 images, the Amsterdam tutorial's network (16-32-64-64 channels), 20 steps",
            _pixels(SMALL_CONV, 20),
            (Goal("own", 1.2), Goal("fp32", 1.6), Goal("bf16", 2.5)),
            cold=True,
        ),
        Case(
            "conv-64",
            "the same with 64-128-256-256 channels, 10 steps",
            _pixels(LARGE_CONV, 10),
            (Goal("own", 1.2), Goal("fp32", 1.5), Goal("bf16", 2.5), Goal("ceiling", 0.6)),
        ),
        Case(
            "igebm-32",
            "16 colour 32x32 images, IGEBM's residual network with spectral norm, 12 steps",
            partial(chains, presets("igebm")["cifar10"].model.net, COLOUR, 16, 12, 20.0, 0.005),
            (Goal("own", 1.0), Goal("bf16", 2.0)),
        ),
        Case(
            "latent",
            "128 chains on 64 latents, through a generator of 28x28 images into conv-16's network, 20 steps",
            partial(latent_chains, SMALL_CONV, IMAGE, 128, 20, 0.01),
            (Goal("own", 1.0),),
        ),
        Case(
            "cd-mlp",
            "5 contrastive-divergence updates of the MLP, 256 chains of 40 steps from a replay buffer",
            partial(updates, MLP, (2,), 256, ChainConfig(40, 0.01, 0.1), 5),
            (Goal("own", 1.3), Goal("any", 2.0)),
        ),
        Case(
            "cd-conv",
            "one such update of conv-16's network, 128 chains of 20 steps",
            partial(updates, SMALL_CONV, IMAGE, 128, ChainConfig(20, 2.0, 0.01), 1),
            (Goal("own", 1.15), Goal("any", 2.0)),
        ),
    )
}
"""The table."""

TRIALS: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            "trial-chains",
            "8 chains, 2-8-1 MLP, 3 steps",
            partial(chains, MLPConfig(hidden=(8,)), (2,), 8, 3, 0.01, 0.1),
            (Goal("fp32", 1.0), Goal("ceiling", 0.5)),
        ),
        Case(
            "trial-updates",
            "2 updates of the same MLP, 8 chains of 3 steps",
            partial(
                updates,
                MLPConfig(hidden=(8,)),
                (2,),
                8,
                ChainConfig(3, 0.01, 0.1),
                2,
                capacity=32,
            ),
        ),
    )
}
"""Cases of a few milliseconds, to try the command; not part of the table."""


def find(name: str) -> Case:
    """The case called `name`; raises `UsageError` with the nearest name."""
    known = CASES | TRIALS
    if name not in known:
        raise unknown("case", name, known)
    return known[name]
