"""Settings of the networks: energies of nine families, generators and autoencoders. No torch. The file is
long because these records share fields and bases, and are read beside one another.

Lists that belong to the layers (`kernels`, `strides`, `paddings`) may be shorter than `channels`: their last
entry then serves all further layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive
from .families import Activation, AnyNet, register_net

Pool: TypeAlias = Literal["flatten", "mean", "sum"]


@dataclass(frozen=True, kw_only=True)
class MLPConfig(AnyNet):
    """A fully connected network, for points, tables and small images."""

    name: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers."""
    sharpness: float = 1.0
    """Factor on the first layer's weights and biases at the start. A smooth network learns fine structure
    last (N. Rahaman et al., "On the Spectral Bias of Neural Networks", 2019); above 1 sooner."""
    spectral_norm: bool = False
    """Divide each weight but the last by its largest singular value."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hidden:
            raise UsageError("hidden is empty: an mlp needs at least one hidden layer, such as (128, 128)")
        _require_sizes(self, "hidden")
        if not 0 < self.sharpness < float("inf"):
            raise UsageError(f"sharpness is {self.sharpness}: a factor above 0, such as 12")
        if self.sharpness != 1 and self.spectral_norm:
            raise UsageError(f"sharpness is {self.sharpness}, but spectral_norm would undo it: leave it at 1")


@dataclass(frozen=True, kw_only=True)
class MapsConfig(AnyNet):
    """What all networks of images have."""

    channels: tuple[int, ...] = (32, 64, 128)
    """Feature maps of each convolution (conv), or of the stem and of each block (igebm, levels, wide)."""
    strides: tuple[int, ...] = (1, 2)
    """Stride of each convolution or block; 2 at a block of igebm or levels is average pooling."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.channels:
            raise UsageError("channels is empty: give the feature maps of at least one layer")
        _require_sizes(self, "channels", "strides")
        per_layer("strides", self.strides, len(self.channels))


@dataclass(frozen=True, kw_only=True)
class DropoutConfig(MapsConfig):
    """What conv, igebm and wide have besides."""

    head_hidden: tuple[int, ...] = ()
    """Widths of the dense layers between the pooled features and the energy."""
    dropout: float = 0.0
    """Probability of dropping a feature in training, in [0, 1); chains run without."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_sizes(self, "head_hidden")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}: it is a probability in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class ConvolutionsConfig(DropoutConfig):
    """Plain convolutions, of images or of signals."""

    kernels: tuple[int, ...] = (3,)
    """Kernel size of each convolution, in pixels or samples."""
    paddings: tuple[int, ...] = ()
    """Zero padding of each convolution; empty means (kernel - 1) // 2."""
    pool: Pool = "sum"
    """From feature maps to a vector: sum or mean over space, or flatten."""
    spectral_norm: bool = False
    """Divide each weight but the last by its largest singular value."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_sizes(self, "kernels")
        if any(n < 0 for n in self.paddings):
            raise UsageError(f"paddings is {self.paddings}: every entry must be at least 0")
        for what in ("kernels", "paddings"):
            per_layer(what, getattr(self, what) or (0,), len(self.channels))


@dataclass(frozen=True, kw_only=True)
class ConvConfig(ConvolutionsConfig):
    """Plain convolutions of images."""

    name: Literal["conv"] = "conv"


@dataclass(frozen=True, kw_only=True)
class Conv1dConfig(ConvolutionsConfig):
    """Plain convolutions over the length of signals."""

    name: Literal["conv1d"] = "conv1d"
    kernels: tuple[int, ...] = (9, 5)
    strides: tuple[int, ...] = (2,)
    pool: Pool = "flatten"
    activation: Activation = "swish"


@dataclass(frozen=True, kw_only=True)
class ResidualConfig(DropoutConfig):
    """Residual blocks of 3x3 convolutions with spectral norm, summed over space."""

    name: Literal["igebm"] = "igebm"


@dataclass(frozen=True, kw_only=True)
class LevelsConfig(MapsConfig):
    """Residual blocks of 3x3 convolutions with spectral norm that are told a noise level by an embedding."""

    name: Literal["levels"] = "levels"
    classes: int = 0
    """Number of noise levels; drl sets it."""
    head: Literal["scalar"] = "scalar"
    """One energy for each level."""


@dataclass(frozen=True, kw_only=True)
class WideConfig(DropoutConfig):
    """Residual blocks of 3x3 convolutions without normalisation; with classes a classifier (head logits)."""

    name: Literal["wide"] = "wide"
    pool: Pool = "sum"
    """From feature maps to a vector: sum or mean over space, or flatten."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(AnyNet):
    """Half the squared distance between an image and its reconstruction, for energies that denoise."""

    name: Literal["autoencoder"] = "autoencoder"
    channels: tuple[int, ...] = (16, 48)
    """Feature maps of the encoder's convolutions, each of which halves the side."""
    middle: int = 256
    """Features of the dense layer between encoder and decoder."""
    activation: Activation = "swish"
    head: Literal["scalar"] = "scalar"
    """One energy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.channels or self.middle < 1:
            raise UsageError(f"channels {self.channels} and middle {self.middle}: each must be at least 1")
        _require_sizes(self, "channels")


@dataclass(frozen=True, kw_only=True)
class ResidualMLPConfig(AnyNet):
    """A dense residual network whose inner product with x is the energy, for energies that denoise."""

    name: Literal["residual_mlp"] = "residual_mlp"
    width: int = 256
    """Features of every layer."""
    blocks: int = 2
    """Residual blocks, of two layers each."""
    dropout: float = 0.0
    """Probability of dropping a feature after each block in training, in [0, 1)."""
    activation: Activation = "swish"
    head: Literal["scalar"] = "scalar"
    """One energy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(**{"width": self.width, "blocks": self.blocks})
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}: it is a probability in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class UNetConfig(AnyNet):
    """A U-shaped residual network whose inner product with an image is the energy, to denoise it."""

    name: Literal["unet"] = "unet"
    channels: tuple[int, ...] = (32, 64)
    """Feature maps at each size: half the side of x, then half of that, and so on."""
    blocks: int = 1
    """Residual blocks of two convolutions at each size, on the way down and again on the way up."""
    middle: int = 256
    """Features of the dense layer between."""
    dropout: float = 0.0
    """Probability of dropping a feature after each block in training, in [0, 1)."""
    activation: Activation = "swish"
    head: Literal["scalar"] = "scalar"
    """One energy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.channels:
            raise UsageError("channels is empty: give the feature maps of at least one size")
        _require_sizes(self, "channels")
        require_positive(**{"blocks": self.blocks, "middle": self.middle})
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}: it is a probability in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class GatedConfig(AnyNet):
    """A layer whose units the label opens and closes, for classifiers E(x, y) that learn in sequence."""

    name: Literal["gated"] = "gated"
    width: int = 400
    """Units of that layer."""
    channels: tuple[int, ...] = ()
    """Feature maps of 3x3 convolutions before it, in pairs with a pooling after each; none for dense data."""
    gate: Literal["unit", "softmax"] = "unit"
    """relu(h + h g) with g of length 1, or h g with the entries of g positive and 1 in the mean."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(width=self.width)
        if len(self.channels) % 2 or any(n < 1 for n in self.channels):
            raise UsageError(f"channels is {self.channels}: give pairs of sizes, such as (32, 32, 64, 64)")


register_net("autoencoder", AutoencoderConfig, "gibbsian.nets.autoencoder:Autoencoder", channels_last=True)
register_net("conv", ConvConfig, "gibbsian.nets.conv:ConvNet", channels_last=True)
register_net("conv1d", Conv1dConfig, "gibbsian.nets.conv:ConvNet1d")
register_net("gated", GatedConfig, "gibbsian.nets.gated:GatedNet", channels_last=True)
register_net("igebm", ResidualConfig, "gibbsian.nets.igebm:IGEBMNet", channels_last=True)
register_net("levels", LevelsConfig, "gibbsian.nets.levels:LevelNet", channels_last=True)
register_net("mlp", MLPConfig, "gibbsian.nets.mlp:MLP", channels_last=True)
register_net("residual_mlp", ResidualMLPConfig, "gibbsian.nets.residual_mlp:ResidualMLP")
register_net("unet", UNetConfig, "gibbsian.nets.unet:UNet")
register_net("wide", WideConfig, "gibbsian.nets.wide:WideNet", channels_last=True)


def per_layer(what: str, values: tuple[int, ...], layers: int) -> tuple[int, ...]:
    """`values` stretched to `layers` entries by repeating the last; raises `UsageError` if there are more.

    >>> per_layer("strides", (1, 2), 4)
    (1, 2, 2, 2)
    """
    if not 1 <= len(values) <= layers:
        raise UsageError(f"{what} has {len(values)} entries for {layers} layers: give 1 to {layers}")
    return (*values, *(values[-1],) * (layers - len(values)))


def _require_sizes(config: Any, *names: str) -> None:
    for name in names:
        if any(n < 1 for n in getattr(config, name)):
            raise UsageError(f"{name} is {getattr(config, name)}: every entry must be at least 1")


@dataclass(frozen=True)
class GeneratorConfig:
    """Family and sizes of a generator; raises `UsageError` for values out of range."""

    name: Literal["mlp", "conv", "flow"] = "mlp"
    """mlp, conv (transposed convolutions, for images), or flow (affine couplings, with an exact density)."""
    latent: int = 32
    """Length of z; a flow's is the size of the data."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers (mlp), of the coupling networks (flow), or of the dense layers before the
    first feature map (conv; may be empty)."""
    channels: tuple[int, ...] = (64, 32)
    """Feature maps from the smallest to the largest size; each stage doubles the side (conv)."""
    blocks: int = 5
    """Coupling layers (flow; at least 2, so that every coordinate is moved)."""
    activation: Activation = "relu"
    """Nonlinearity of the hidden layers; the couplings of a flow use it too."""
    norm: Literal["none", "batch"] = "none"
    """Batch normalisation of hidden layers (mlp, conv); chains run with its stored statistics."""
    output: Literal["linear", "tanh"] = "linear"
    """tanh, scaled to the range of the data, for images; linear for points."""

    def __post_init__(self) -> None:
        require_choices(self, "generator")
        if self.latent < 1 or self.blocks < 1:
            raise UsageError(
                f"generator.latent is {self.latent} and blocks {self.blocks}: both must be at least 1"
            )
        if any(n < 1 for n in (*self.hidden, *self.channels)):
            raise UsageError(
                f"generator.hidden is {self.hidden}, channels {self.channels}: entries must be at least 1"
            )
        if (self.name == "conv" and not self.channels) or (self.name != "conv" and not self.hidden):
            raise UsageError(
                f"a generator '{self.name}' needs layers: give hidden (mlp, flow) or channels (conv)"
            )


@dataclass(frozen=True)
class VAEConfig:
    """Family, latents, objective and training of a VAE; raises `UsageError` for values out of range."""

    step_counted: ClassVar[tuple[str, ...]] = ("kl_warmup", "steps")
    name: Literal["mlp", "conv"] = "mlp"
    """Dense layers, which are quickest on a CPU up to 28x28, or convolutions (images only)."""
    kind: Literal["plain", "beta_tc", "factor"] = "plain"
    """Objective: the ELBO, its total correlation weighted by beta, or a critic's estimate of it by gamma."""
    groups: tuple[int, ...] = (16,)
    """Length of each latent group from the top down; the first has prior N(0, I), the others depend on it."""
    hidden: tuple[int, ...] = (512, 256)
    """Widths of the encoder's dense layers; the decoder's are the reverse."""
    channels: tuple[int, ...] = (32, 64)
    """Feature maps of the encoder's convolutions, each of which halves the side (conv)."""
    conditional: int = 128
    """Width of the layer behind each posterior, and each prior but the first, of a hierarchy."""
    activation: Activation = "swish"
    """Nonlinearity."""
    noise: Literal["scalar", "pixel", "fixed"] = "scalar"
    """Standard deviation of the decoder: one learned number, one for each value of x, or `sigma` as it is."""
    sigma: float = 0.3
    """That standard deviation, in units of the data: at the start (scalar, pixel) or always (fixed)."""
    floor: float = 0.01
    """Lower bound of a learned standard deviation."""
    beta: float = 1.0
    """Weight of the KL terms (plain, factor) or of the total correlation alone (beta_tc)."""
    gamma: float = 10.0
    """Weight of the critic's estimate of the total correlation (factor)."""
    kl_warmup: int = 0
    """Updates over which the weight of the KL terms rises from 0."""
    steps: int = 2000
    """Updates of stage one; afterwards the VAE is frozen."""
    rate: float = 1.0
    """Its learning rate as a multiple of train.lr; it falls by a cosine to 0 over stage one."""
    critic_hidden: tuple[int, ...] = (256, 256)
    """Widths of the critic of the total correlation (factor)."""

    def __post_init__(self) -> None:
        require_choices(self, "vae")
        names = ("sigma", "floor", "rate", "steps", "conditional")
        require_positive(**{f"vae.{k}": getattr(self, k) for k in names})
        require_not_negative(**{f"vae.{k}": getattr(self, k) for k in ("beta", "gamma", "kl_warmup")})
        for what in ("groups", "hidden", "channels", "critic_hidden"):
            if not getattr(self, what) or min(getattr(self, what)) < 1:
                raise UsageError(f"vae.{what} is {getattr(self, what)}: give entries of at least 1")
        if self.noise != "fixed" and self.sigma <= self.floor:
            raise UsageError(
                f"vae.sigma is {self.sigma}: a learned one must start above vae.floor {self.floor}"
            )
        if self.kind != "plain" and len(self.groups) > 1:
            raise UsageError(
                f"vae.groups is {self.groups}, but the total correlation of '{self.kind}' is that of one "
                "group: give one, such as (10,), or kind 'plain'"
            )

    @property
    def latent(self) -> int:
        """Length of all groups together."""
        return sum(self.groups)

    def kl_weight(self, step: int) -> float:
        """Factor on the KL terms at an update, from its warm-up."""
        return min(1.0, (step + 1) / self.kl_warmup) if self.kl_warmup else 1.0
