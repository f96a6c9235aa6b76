"""VAEBM's settings: the paper's presets and ours. Torch-free.

The paper's eta, eps' = eps - (eta/2) grad U + sqrt(eta) xi, is step_size here. The algorithm is in
`systems/vaebm.py`. A long file, because every preset spells out its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative
from . import ours
from .chain import LossConfig, PixelConfig
from .latent import LatentConfig
from .net import NetConfig
from .recipe import Paper, Published, Recipe
from .train import MonitorConfig, TrainConfig
from .vae import VAEConfig

KERNELS = ("langevin", "kinetic", "mala", "hmc")


@dataclass(frozen=True)
class BufferConfig:
    """Stored noise of the latents, from which a growing share of the training chains goes on."""

    capacity: int = 10_000
    """Chains in the buffer."""
    share: float = 0.6
    """Final probability that a chain goes on from a stored one; 0 starts all of them from N(0, I)."""
    anneal: int = 5000
    """Updates of stage two over which that probability rises from 0."""

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.anneal < 1:
            raise UsageError(
                f"buffer of {self.capacity} annealed over {self.anneal}: both must be at least 1"
            )
        if not 0 <= self.share <= 1:
            raise UsageError(f"buffer.share is {self.share}: a probability lies in [0, 1]; the paper uses .6")

    def probability(self, update: int) -> float:
        """Probability that a chain goes on from a stored one at an update of stage two (from 0)."""
        return min(self.share, self.share * update / self.anneal)


@dataclass(frozen=True)
class VAEBMConfig:
    """One VAEBM: a VAE, an energy that tilts it, chains on the noise of both latents and data."""

    net: NetConfig = field(default_factory=NetConfig)
    """The energy."""
    vae: VAEConfig = field(default_factory=VAEConfig)
    chain: LatentConfig = field(default_factory=lambda: LatentConfig(steps=10, step_size=0.01))
    """The training chain on the noise (eps_z, eps_x)."""
    sample: LatentConfig | None = None
    """The sampling chain; none for the training chain."""
    buffer: BufferConfig = field(default_factory=BufferConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    spectral: float = 0.2
    """Weight of the sum of the energy's largest singular values."""
    energy_on: Literal["x", "xz"] = "x"
    """What the energy sees: data alone, or data and latents."""
    potential: Literal["reparametrised", "released"] = "reparametrised"
    """U = E + |eps|^2 / 2, whose law is the model; or the released code's, without the Jacobian."""
    negatives: Literal["sample", "mean"] = "sample"
    """What the energy is raised at: the decoder's draw where a chain ended, or its mean."""
    output: Literal["sample", "mean"] = "mean"
    """What sampling returns there."""

    def __post_init__(self) -> None:
        require_choices(self, "vaebm")
        require_not_negative(spectral=self.spectral)
        for name, latent in (("chain", self.chain), ("sample", self.sample)):
            if latent is not None and latent.kernel not in KERNELS:
                raise UsageError(
                    f"{name}.kernel is '{latent.kernel}', no chain on tuples: use {', '.join(KERNELS)}"
                )
        if self.chain.beta != 1:
            raise UsageError(f"chain.beta is {self.chain.beta}: training needs the model itself, set it to 1")
        if self.net.classes:
            raise UsageError("VAEBM is unconditional: set net.classes to 0, or use igebm")

    @property
    def sampling(self) -> LatentConfig:
        """The chain that draws samples."""
        return self.sample or self.chain


PAPER = Paper(
    key="xiao2021vaebm",
    authors="Zhisheng Xiao and Karsten Kreis and Jan Kautz and Arash Vahdat",
    year=2021,
    title="VAEBM: A Symbiosis between Variational Autoencoders and Energy-based Models",
    venue="International Conference on Learning Representations",
    url="https://arxiv.org/abs/2010.00654",
)

PUBLISHED = [
    Published("CIFAR-10, buffer", "Inception score / FID", "8.43 / 12.19"),
    Published("CIFAR-10, no buffer", "FID", "12.96"),
    Published("CIFAR-10, NVAE alone", "Inception score / FID", "5.51 / 51.67"),
    Published("CelebA-64", "FID (NVAE alone)", "5.31 (14.74)"),
    Published("LSUN church-64", "FID (NVAE alone)", "13.51 (41.3)"),
    Published("CelebA-HQ-256", "FID (NVAE alone)", "20.38 (45.11)"),
    Published("CIFAR-10, the same energy in pixel space", "FID", "48.89"),
    Published("CIFAR-10, decoder trained as a WGAN", "FID", "20.39"),
    Published("CIFAR-10, joint fine-tuning of the VAE", "FID", "14.0"),
    Published("Stacked MNIST", "modes / KL", "1000 / 0.087"),
    Published("CIFAR-10 against SVHN", "AUROC (NVAE alone)", "0.83 (0.42)"),
    Published("CIFAR-10 against CIFAR-100", "AUROC", "0.62"),
    Published("CIFAR-10 against CelebA", "AUROC", "0.77"),
]

_CHAIN = LatentConfig(steps=10, step_size=0.02)
_SWISH = NetConfig(name="mlp", hidden=(512, 256), activation="swish")
_LEVEL = LossConfig(energy_l2=1e-3)
"""Holds the free constant of E near 0; the contrast alone lets it wander."""

_DIGITS = VAEBMConfig(
    net=replace(_SWISH, hidden=(256, 128)),
    vae=VAEConfig(groups=(10,), hidden=(256, 128), steps=1500, noise="fixed", sigma=0.2),
    chain=_CHAIN,
    sample=replace(_CHAIN, steps=30),
    buffer=BufferConfig(anneal=500),
    loss=_LEVEL,
    spectral=0.05,
    negatives="mean",
)
_DIGITS_TRAIN = TrainConfig(
    steps=2500, batch_size=64, lr=1e-3, decay=0.3, average=0.999, save_every=500, sample_every=500
)
_28 = VAEBMConfig(
    net=_SWISH,
    vae=VAEConfig(groups=(16,), hidden=(512, 256), steps=6000, noise="fixed", sigma=0.2),
    chain=_CHAIN,
    sample=replace(_CHAIN, steps=30),
    buffer=BufferConfig(anneal=2000),
    loss=_LEVEL,
    spectral=0.05,
    negatives="mean",
)
_28_TRAIN = TrainConfig(
    steps=10_000,
    batch_size=64,
    lr=1e-3,
    decay=0.3,
    average=0.999,
    log_every=20,
    save_every=500,
    sample_every=1000,
)
_CLOTHES = replace(
    _28,
    vae=replace(_28.vae, steps=5000, rate=2.5),
    loss=LossConfig(energy_l2=0.02),
    sample=replace(_CHAIN, steps=60),
)
_STACKED = replace(_28, vae=replace(_28.vae, groups=(48,), steps=5000))
_CONV_VAE = VAEConfig(
    name="conv", groups=(32, 64), hidden=(256,), channels=(32, 64, 128), steps=6000, noise="fixed", sigma=0.2
)
_CIFAR10 = replace(_28, vae=replace(_28.vae, groups=(64,), steps=5000))
_COLOUR = replace(
    _28,
    net=NetConfig(channels=(32, 64, 128, 128), strides=(1, 2), activation="swish", pool="sum"),
    vae=_CONV_VAE,
    spectral=0.2,
)
_SPRITES = replace(
    _28, vae=replace(_28.vae, kind="beta_tc", groups=(10,), beta=6.0, sigma=0.3, steps=6000), sample=None
)
_POINTS = VAEBMConfig(
    net=ours.PLANE,
    vae=VAEConfig(groups=(2,), hidden=(64, 64), steps=1000, sigma=0.5),
    chain=LatentConfig(steps=20, step_size=0.1),
    sample=LatentConfig(steps=100, step_size=0.1),
    buffer=BufferConfig(anneal=500),
    pixels=PixelConfig(-2.5, 2.5),
    loss=_LEVEL,
    spectral=0.0,
    output="sample",
)
_PAPER_NET = NetConfig(
    name="igebm",
    channels=(128, 128, 128, 256, 256, 256, 256),
    strides=(1, 2, 1, 2, 1, 2, 1),
    activation="swish",
)
_PAPER = VAEBMConfig(
    net=_PAPER_NET,
    vae=VAEConfig(
        name="conv",
        groups=(20,) * 30,
        hidden=(512,),
        channels=(128, 128, 256),
        steps=100_000,
        noise="pixel",
        rate=25.0,
    ),
    chain=LatentConfig(steps=10, step_size=8e-5),
    sample=LatentConfig(steps=16, step_size=8e-5),
    spectral=0.2,
)
_PAPER_TRAIN = TrainConfig(
    steps=125_000,
    batch_size=32,
    lr=4e-5,
    beta1=0.99,
    weight_decay=3e-5,
    clip_moments=True,
    log_every=50,
    save_every=500,
    sample_every=1000,
)
_BACK = MonitorConfig(policy="rollback")
_GUARD = replace(_BACK, max_gap=100.0)
"""Healthy gaps stay below 20. One that runs away (to -500 in 4,000 updates, where E tells the decoder's means
from data) looks like progress in its loss; energy_l2 w bounds it only at -1 / w."""

PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        _DIGITS,
        _DIGITS_TRAIN,
        data="digits",
        note="Ours: dense networks, 10 latents; negatives at decoder means.",
    ),
    "mnist": Recipe(
        _28,
        _28_TRAIN,
        _GUARD,
        data="mnist",
        note="Ours: dense networks, 16 latents; negatives at decoder means.",
    ),
    "fashion_mnist": Recipe(
        _CLOTHES,
        replace(_28_TRAIN, steps=7500, lr=4e-4),
        _GUARD,
        data="fashion_mnist",
        note="Ours: as mnist, but slower and with a stronger bound; without them the gap ran to -500.",
    ),
    "stacked_mnist": Recipe(
        _STACKED,
        replace(_28_TRAIN, steps=8000),
        _BACK,
        data="stacked_mnist",
        note="Ours: the MNIST preset with 48 latents.",
    ),
    "dsprites32": Recipe(
        _SPRITES,
        replace(_28_TRAIN, steps=8000),
        _BACK,
        data="dsprites32",
        note="Ours: dense networks, beta-TC-VAE with beta 6 as stage one.",
    ),
    "cifar10": Recipe(
        _CIFAR10,
        replace(_28_TRAIN, steps=8000),
        _BACK,
        data="cifar10",
        note="Ours: dense networks, which fit a CPU and not the data: blurred colours and shapes.",
    ),
    "images": Recipe(
        _COLOUR, _28_TRAIN, _BACK, data="folder", note="Ours, two latent groups; not tuned to any set."
    ),
    "toy": Recipe(
        _POINTS,
        replace(ours.PLANE_TRAIN, steps=3000, decay=0.3, sample_every=500),
        data="toy:ring",
        note="Ours: a VAE that blurs the modes, and an energy that parts them.",
    ),
    "cifar10-paper": Recipe(
        _PAPER,
        _PAPER_TRAIN,
        _BACK,
        data="cifar10",
        note=(
            "The paper's constants of stage two (25,000 updates). Its NVAE has residual cells at one scale; "
            "here 30 groups of 20 latents share one convolutional encoder and decoder, and the energy is "
            "IGEBM's residual net with spectral norm. lr of stage one is vae.rate times train.lr."
        ),
    ),
}
