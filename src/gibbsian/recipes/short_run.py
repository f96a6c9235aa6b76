"""Short-run MCMC's settings. Torch-free.

The paper's x + grad f + .01 xi is step_size 2 and noise .01 here: temperature 5e-5.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.errors import UsageError
from . import ours
from .chain import ChainConfig, LossConfig, PixelConfig, StartConfig
from .net import PAPER_NETS, NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class ShortRunConfig:
    """One short-run model: the chain below is the sampler, in training and after."""

    net: NetConfig = field(default_factory=NetConfig)
    chain: ChainConfig = field(default_factory=lambda: ChainConfig(steps=100, step_size=2.0, noise=0.01))
    start: StartConfig = field(default_factory=lambda: StartConfig(kind="noise"))
    pixels: PixelConfig = field(default_factory=lambda: PixelConfig(-1.0, 1.0, noise=0.03))
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        if self.start.kind != "noise":
            raise UsageError(
                f"start.kind is '{self.start.kind}': short-run chains start from fresh noise, 'noise'"
            )


PAPER = Paper(
    key="nijkamp2019shortrun",
    authors="Erik Nijkamp and Mitch Hill and Song-Chun Zhu and Ying Nian Wu",
    year=2019,
    title="Learning Non-Convergent Non-Persistent Short-Run MCMC Toward Energy-Based Model",
    venue="Advances in Neural Information Processing Systems 32",
    url="https://arxiv.org/abs/1904.09770",
)

PUBLISHED = [Published("CIFAR-10 unconditional, K = 100", "FID", "44.50")]


def _twenty_eight(data: str, start: StartConfig, steps: int) -> Recipe:
    """For 28x28 grey images: a dense network again, and three times the paper's drift on the gradient.

    Narrower Gaussian noise leaves less grain on the grey cloth of Fashion-MNIST.
    """
    return Recipe(
        ShortRunConfig(
            net=ours.DENSE28,
            chain=ours.CHAIN28,
            start=start,
        ),
        replace(ours.TRAIN28, steps=steps, lr=1.5e-3),
        data=data,
        note="Ours, chosen on 5,000 images set aside from the training part.",
    )


PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        ShortRunConfig(net=ours.DENSE8, chain=ours.CHAIN),
        replace(ours.TRAIN, lr=3e-3, save_every=1000),
        data="digits",
        note="Ours, chosen on a validation split. Fewer than 20 steps, or a rate of 1e-2, diverged.",
    ),
    "mnist": _twenty_eight("mnist", StartConfig(kind="noise"), 8000),
    "fashion_mnist": _twenty_eight(
        "fashion_mnist", StartConfig(kind="noise", noise="gaussian", scale=0.3), 6000
    ),
    "images": Recipe(
        ShortRunConfig(net=ours.CONV, chain=replace(ours.CHAIN, steps=30)),
        replace(ours.TRAIN, steps=5000, batch_size=64),
        MonitorConfig(policy="rollback"),
        data="folder",
        note=ours.PLACE,
    ),
    "toy": Recipe(
        ShortRunConfig(
            net=ours.PLANE,
            chain=ChainConfig(steps=100, step_size=0.02, noise=0.1),
            pixels=PixelConfig(-2.5, 2.5),
        ),
        replace(ours.PLANE_TRAIN, steps=1000, average=0.99),
        data="toy:ring",
        note="Ours, for densities of the plane within [-2.5, 2.5]^2.",
    ),
    "cifar10": Recipe(
        ShortRunConfig(net=PAPER_NETS["short_run_cifar10"]),
        TrainConfig(steps=100_000, batch_size=64, lr=1e-4, log_every=50, save_every=1000, sample_every=1000),
        data="cifar10",
        note="Nijkamp et al. 2019: K = 100, noise .01, data noise .03.",
    ),
}
