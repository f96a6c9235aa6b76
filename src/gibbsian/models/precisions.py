"""`precision="auto"`: bfloat16 for chains on images where this machine is quicker by it, else float32.

Instructions alone do not decide: small networks and depthwise layers lose what the products gain. So both are
timed, in turns, on the first stage of the model's own sampler. Positions, noise, losses and optimisers keep
float32 in any case.
"""

from __future__ import annotations

import time
from typing import Literal, NamedTuple, TypeAlias

from ..core.device import device_of, native_bf16
from ..core.errors import GibbsianError
from ..core.position import leaves
from ..core.random import generator
from ..mcmc.base import Precision, run
from .model import EnergyModel
from .sampler import ChainStage, Sampler

Wanted: TypeAlias = Literal["fp32", "bf16", "auto"]
PAYS = 1.25
"""How many times as quick bfloat16 must be: less is not worth its rounding."""
STEPS, TURNS, LONGEST = 12, 3, 5.0
"""Steps of a chain, turns, and seconds that the timing should take at most."""


class Chosen(NamedTuple):
    """A precision, and why in a few words."""

    precision: Precision
    why: str


def chosen(model: EnergyModel, wanted: Wanted, chains: int = 64, sampler: Sampler | None = None) -> Chosen:
    """`wanted`, or what "auto" makes of it for chains of `model` on its device.

    Args:
        model: whose chains are timed.
        wanted: "fp32", "bf16" or "auto".
        chains: how many to time, at least 1.
        sampler: which chains, by default those of the model's default sampler.
    """
    if wanted != "auto":
        return Chosen(wanted, "as asked for")
    if not model.spec.is_image:
        return Chosen("fp32", "the data are no images")
    device = device_of(model)
    if not native_bf16(device):
        return Chosen("fp32", "this machine has no bfloat16 arithmetic")
    try:
        stage = next((sampler or model.sampler()).stages(chains, generator(0, device)))
        if stage.kernel.exact:
            return Chosen("fp32", "its kernel needs exact energy differences")
        gain = _gain(stage)
    except (GibbsianError, RuntimeError, StopIteration) as error:
        return Chosen("fp32", f"its chains could not be timed ({error})")
    if gain < PAYS:
        return Chosen("fp32", f"bfloat16 is {gain:.1f} times as quick")
    return Chosen("bf16", f"{gain:.1f} times as quick as float32")


def _gain(stage: ChainStage) -> float:
    """How many times as quick chains in bfloat16 are, each at its best of some turns."""
    kinds: tuple[Precision, Precision] = ("fp32", "bf16")
    one = max(_seconds(stage, kind, 1) for kind in kinds)  # which warms up
    steps = max(1, min(STEPS, int(LONGEST / (len(kinds) * TURNS * one))))
    took: dict[Precision, list[float]] = {kind: [] for kind in kinds}
    for _ in range(TURNS if steps * one * len(kinds) < LONGEST else 1):
        for kind in kinds:
            took[kind].append(_seconds(stage, kind, steps))
    return min(took["fp32"]) / min(took["bf16"])


def _seconds(stage: ChainStage, precision: Precision, steps: int) -> float:
    begun = time.perf_counter()
    rng = generator(0, leaves(stage.position)[0].device)
    run(stage.kernel, stage.energy, stage.position, steps=steps, rng=rng, precision=precision, evaluate=False)
    return time.perf_counter() - begun
