"""What a network is made of, as plain values. This file does not import torch.

`nets.build(config, event_shape)` makes the module. Lists that belong to the layers (`kernels`,
`strides`, `paddings`) may be shorter than `channels`: their last entry then serves all further layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from ..core.errors import UsageError, unknown

Activation: TypeAlias = Literal["elu", "gelu", "leaky_relu", "relu", "softplus", "swish", "tanh"]
Pool: TypeAlias = Literal["flatten", "mean", "sum"]
Head: TypeAlias = Literal["logits", "scalar"]


@dataclass(frozen=True)
class NetConfig:
    """Family, sizes and options of one energy network; raises `UsageError` for values out of range."""

    name: str = "conv"
    """Family: mlp, conv (plain convolutions), igebm (residual, spectral norm), levels (the same, told a noise
    level: for drl), wide (residual, no norm: for classifiers), or your own module:Class."""

    channels: tuple[int, ...] = (32, 64, 128)
    """Feature maps of each convolution (conv), or of the stem and then of each block (igebm, wide)."""

    kernels: tuple[int, ...] = (3,)
    """Kernel size of each convolution, in pixels (conv; igebm and wide always use 3)."""

    strides: tuple[int, ...] = (1, 2)
    """Stride of each convolution (conv) or block (wide); 2 at an igebm block is average pooling."""

    paddings: tuple[int, ...] = ()
    """Zero padding of each convolution (conv); empty means (kernel - 1) // 2."""

    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers of an mlp."""

    head_hidden: tuple[int, ...] = ()
    """Widths of the dense layers between the pooled features and the energy (conv, igebm, wide)."""

    pool: Pool = "sum"
    """From feature maps to a vector: sum or mean over space, or flatten (conv, wide; igebm always sums)."""

    activation: Activation = "leaky_relu"
    """Nonlinearity. Objectives with second derivatives need a smooth one, such as swish."""

    negative_slope: float = 0.2
    """Slope of leaky_relu below zero."""

    sharpness: float = 1.0
    """Factor on the first layer's weights and biases at the start (mlp). A smooth network learns fine
    structure last (N. Rahaman et al., "On the Spectral Bias of Neural Networks", 2019); above 1 sooner."""

    spectral_norm: bool = False
    """Divide each weight but the last by its largest singular value (mlp, conv; igebm always does)."""

    dropout: float = 0.0
    """Probability of dropping a feature in training, in [0, 1) (conv, igebm, wide); chains run without."""

    classes: int = 0
    """Number of classes, or length of a continuous label; 0 makes an unconditional energy."""

    head: Head = "scalar"
    """With classes: E(x, y) by gains and biases a class (scalar), or -f(x)[y], a joint model (logits)."""

    def __post_init__(self) -> None:
        for what, kind in (("activation", Activation), ("pool", Pool), ("head", Head)):
            if getattr(self, what) not in get_args(kind):
                raise unknown(what, getattr(self, what), get_args(kind))
        self._check_layers()
        self._check_numbers()

    def _check_layers(self) -> None:
        if not self.channels:
            raise UsageError("channels is empty: give the feature maps of at least one layer")
        for what in ("channels", "kernels", "strides", "hidden", "head_hidden"):
            if any(n < 1 for n in getattr(self, what)):
                raise UsageError(f"{what} is {getattr(self, what)}: every entry must be at least 1")
        if any(n < 0 for n in self.paddings):
            raise UsageError(f"paddings is {self.paddings}: every entry must be at least 0")
        for what in ("kernels", "strides", "paddings"):
            per_layer(what, getattr(self, what) or (0,), len(self.channels))

    def _check_numbers(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}: it is a probability in [0, 1)")
        if not 0 < self.sharpness < float("inf"):
            raise UsageError(f"sharpness is {self.sharpness}: a factor above 0, such as 12")
        if self.sharpness != 1 and (self.spectral_norm or self.name in ("conv", "igebm", "levels", "wide")):
            raise UsageError(
                f"sharpness is {self.sharpness}: it is for an mlp without spectral_norm, which would undo it"
            )
        if self.negative_slope < 0:
            raise UsageError(f"negative_slope is {self.negative_slope}: it must be 0 or more, such as .2")
        if self.classes < 0:
            raise UsageError(f"classes is {self.classes}: use 0 for an unconditional energy")
        if self.head == "logits" and self.classes < 2:
            raise UsageError(f"head 'logits' with {self.classes} classes: it needs at least 2; set classes")


def per_layer(what: str, values: tuple[int, ...], layers: int) -> tuple[int, ...]:
    """`values` stretched to `layers` entries by repeating the last; raises `UsageError` if there are more.

    >>> per_layer("strides", (1, 2), 4)
    (1, 2, 2, 2)
    """
    if not 1 <= len(values) <= layers:
        raise UsageError(f"{what} has {len(values)} entries for {layers} layers: give 1 to {layers}")
    return values + (values[-1],) * (layers - len(values))


def igebm_wider(width: int = 128) -> NetConfig:
    """ImageNet-32 net of Du & Mordatch (2019): nine blocks of widths w, w, w, 2w, 2w, 2w, 4w, 4w, 4w."""
    blocks = (width,) * 3 + (2 * width,) * 3 + (4 * width,) * 3
    return NetConfig(name="igebm", channels=(128, *blocks), strides=(1, 2, 1, 1, 2, 1, 1, 2, 1, 1))


def wide(depth: int = 28, width: int = 10) -> NetConfig:
    """Wide residual classifier of Zagoruyko & Komodakis (2016) for 32x32 images of 10 classes.

    `depth` is 6n + 4: three groups of n blocks, of 16, 32 and 64 times `width` maps.
    """
    blocks = (depth - 4) // 6
    channels = tuple(width * maps for maps in (16, 32, 64) for _ in range(blocks))
    strides = (1,) * blocks + (2, *(1,) * (blocks - 1)) * 2
    return NetConfig(
        name="wide", channels=(16, *channels), strides=(1, *strides), pool="mean", classes=10, head="logits"
    )


PAPER_NETS: dict[str, NetConfig] = {
    "igebm_mnist": NetConfig(
        channels=(64, 64, 128, 256), kernels=(3, 4), pool="flatten", head_hidden=(128,), spectral_norm=True
    ),
    "uva_mnist": NetConfig(
        channels=(16, 32, 64, 64),
        kernels=(5, 3),
        strides=(2,),
        paddings=(4, 1),
        pool="flatten",
        head_hidden=(64,),
        activation="swish",
    ),
    "short_run_cifar10": NetConfig(channels=(64, 128, 256, 512), kernels=(3, 4), pool="flatten"),
    "igebm_resnet32": NetConfig(
        name="igebm", channels=(128, 128, 128, 256, 256, 256, 256), strides=(1, 2, 1, 2, 1, 2, 1)
    ),
    "igebm_large": NetConfig(
        name="igebm",
        channels=(128, 128, 128, 128, 256, 256, 256, 512, 512, 512),
        strides=(1, 2, 1, 1, 2, 1, 1, 2, 1, 1),
        dropout=0.5,
    ),
    "igebm_wider": igebm_wider(),
    "jem_wide": wide(),
}
"""Networks of the papers: Du & Mordatch 2019 (igebm_*), the Amsterdam deep-learning course, tutorial 8
(uva_mnist), Nijkamp et al. 2019 (short_run_cifar10), Grathwohl et al. 2020 (jem_wide). igebm_mnist pads
symmetrically, so its last map is 3x3 where the original's is 4x4; the last 4x4 convolution of
short_run_cifar10 covers the whole map and is therefore the linear layer after `flatten`."""
