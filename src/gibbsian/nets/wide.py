"""Wide residual network without normalisation (S. Zagoruyko and N. Komodakis, BMVC 2016, arXiv
1605.07146), as JEM uses it (W. Grathwohl et al., ICLR 2020, arXiv 1912.03263).

    stem     conv(x)
    block    conv2(act(dropout(conv1(act(h))))) + bypass(h)
    end      mean over space of act(h), then one linear layer

Batch norm would tie the chains of a batch to one another, and data and samples have other statistics.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import image_channels, last_map
from .dropout import Dropout
from .layers import EnergyHead, EnergyNet, activation, pooled
from .settings import WideConfig, per_layer


class WideBlock(nn.Module):
    """One block, `(B, inputs, H, W)` to `(B, outputs, ceil(H / stride), ceil(W / stride))`.

    The second convolution has the stride. The bypass is the identity, or a 1x1 convolution of every
    `stride`-th pixel where size or number of the maps change.
    """

    def __init__(
        self, inputs: int, outputs: int, act: nn.Module, *, stride: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.act, self.stride = act, stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.dropout = Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1)
        same = stride == 1 and inputs == outputs
        self.bypass = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def forward(self, h: Tensor) -> Tensor:
        inner = self.dropout(self.conv1(self.act(h)))
        # Not a strided 1x1 convolution: its backward pass, channels last, ruins memory in torch 2.13 on CPUs.
        skipped = self.bypass(h[:, :, :: self.stride, :: self.stride])
        out: Tensor = self.conv2(self.act(inner)) + skipped
        return out


class WideNet(EnergyNet):
    """E(x) or a joint model's E(x, y) of images `(B, C, H, W)`; returns `(B,)`.

    `channels` and `strides` are those of the stem and of each block (the stem's stride must be 1; short
    strides repeat their last entry). Raises `UsageError` for an event that is not an image, and for classes
    without a logits head.
    """

    def __init__(self, event_shape: tuple[int, ...], config: WideConfig) -> None:
        super().__init__()
        channels, classes, joint = config.channels, config.classes, config.joint
        if classes and not joint:
            raise UsageError(f"network 'wide' with {classes} classes is a classifier: set net.head to logits")
        config.refuse_condition("wide")
        steps = per_layer("strides", config.strides, len(channels))
        if steps[0] != 1:
            raise UsageError(f"strides is {config.strides}: the stem of 'wide' keeps the size, begin with 1")
        self.event_shape, self.pool = tuple(event_shape), config.pool
        self.act = activation(config.activation, config.negative_slope)
        self.stem = nn.Conv2d(image_channels(event_shape), channels[0], 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                WideBlock(a, b, self.act, stride=s, dropout=config.dropout)
                for a, b, s in zip(channels[:-1], channels[1:], steps[1:], strict=True)
            )
        )
        height, width = last_map(self.event_shape[1:], [(3, s, 1) for s in steps])
        features = channels[-1] * (height * width if config.pool == "flatten" else 1)
        self.head = EnergyHead(features, config.head_hidden, self.act, classes=classes, joint=joint)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The pooled features, `(B, F)`; the label changes nothing before the head."""
        return pooled(self.act(self.blocks(self.stem(x))), self.pool)
