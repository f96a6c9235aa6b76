"""The parts that energy networks share: activations, labels, pooling, and the head that ends in E.

Precision: from the pooling on, everything runs in float32 at least, also under bfloat16 autocast,
because energies are sums over many pixels whose differences are small beside the sum.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, unknown
from .precision import full_precision, widened
from .spectral import SpectralConv1d, SpectralConv2d, SpectralLinear

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation(name: str, negative_slope: float = 0.2) -> nn.Module:
    """The nonlinearity called `name`; `negative_slope` is leaky_relu's. Raises `UsageError` if unknown."""
    if name == "leaky_relu":
        return nn.LeakyReLU(negative_slope)
    if name not in ACTIVATIONS:
        raise unknown("activation", name, [*ACTIVATIONS, "leaky_relu"])
    return ACTIVATIONS[name]()


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int,
    padding: int,
    *,
    bias: bool,
    spectral: bool,
    axes: int = 2,
) -> nn.Module:
    """A convolution over 1 or 2 `axes`, spectrally normalised if asked for."""
    if spectral:
        normed = SpectralConv1d if axes == 1 else SpectralConv2d
        return normed(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)
    plain = nn.Conv1d if axes == 1 else nn.Conv2d
    return plain(inputs, outputs, kernel, stride, padding, bias=bias)


def linear(inputs: int, outputs: int, *, bias: bool = True, spectral: bool = False) -> nn.Module:
    """A dense layer, spectrally normalised if asked for."""
    return SpectralLinear(inputs, outputs, bias=bias) if spectral else nn.Linear(inputs, outputs, bias)


class LabelVector(nn.Module):
    """A learned vector that moves linearly with the label: base + y W, with W = 0 at the start.

    With `features` F and `classes` C: no label gives the base `(F,)`; class numbers `(B,)` (int64)
    or soft, one-hot and continuous labels `(B, C)` (floating) give `(B, F)`. The base starts at
    `start`, so that any label, continuous ones too, leaves the network as it is until W is learned.
    """

    def __init__(self, features: int, classes: int = 0, start: float = 0.0) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.full((features,), start))
        self.weight = nn.Parameter(torch.zeros(classes, features)) if classes else None

    def forward(self, y: Tensor | None = None) -> Tensor:
        if self.weight is None or y is None:
            return self.base
        moved = y.to(self.weight.dtype) @ self.weight if y.is_floating_point() else self.weight[y]
        return self.base + moved


def spread(vector: Tensor, h: Tensor) -> Tensor:
    """A vector `(F,)` or `(B, F)` in the dtype of `h` `(B, F, ...)` and reshaped to broadcast against it."""
    return vector.to(h.dtype).reshape(*vector.shape, *([1] * (h.dim() - 2)))


def pooled(h: Tensor, how: str) -> Tensor:
    """Feature maps `(B, C, *space)` to `(B, F)` in float32 or better: sum or mean over space, or flatten."""
    h, space = widened(h), tuple(range(2, h.dim()))
    return h.flatten(1) if how == "flatten" else h.mean(space) if how == "mean" else h.sum(space)


def check_event(x: Tensor, event_shape: tuple[int, ...]) -> None:
    """Raise `UsageError` unless `x` is `(B, *event_shape)`."""
    if tuple(x.shape[1:]) != event_shape:
        raise UsageError(
            f"network got positions of shape {tuple(x.shape)}: it was built for (B, "
            f"{', '.join(map(str, event_shape))}); build it for this data or reshape the data"
        )


def check_label(y: Tensor | None, classes: int, batch: int) -> None:
    """Raise `UsageError` unless `y` is `(B,)` integers or `(B, classes)` floating; without classes, None."""
    if not classes:
        if y is not None:
            raise UsageError("labels were given to an unconditional network: leave out y, or set classes")
    elif y is not None and tuple(y.shape) != ((batch, classes) if y.is_floating_point() else (batch,)):
        raise UsageError(
            f"labels have shape {tuple(y.shape)} and type {y.dtype}: use ({batch},) class numbers or a "
            f"floating ({batch}, {classes}) matrix"
        )


class EnergyHead(nn.Module):
    """Features `(B, F)` to E `(B,)`: dense layers `hidden`, then one linear layer without normalisation.

    scalar   E is the single output, whatever the label did to the features before; with classes a
             missing label raises `UsageError`, since sum_y exp(-E(x, y)) is of no known weight
    joint    outputs are logits f; E(x, y) = -f(x)[y] and E(x) = -logsumexp_y f(x)[y], so that
             p(x) = sum_y p(x, y) (W. Grathwohl et al., ICLR 2020, arXiv 1912.03263, eq. 5-6)
    """

    def __init__(
        self,
        features: int,
        hidden: tuple[int, ...],
        act: nn.Module,
        *,
        classes: int = 0,
        joint: bool = False,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.joint = classes, joint
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [linear(features, width, spectral=spectral), act]
            features = width
        self.layers = nn.Sequential(*layers, nn.Linear(features, classes if joint else 1))

    @property
    def modulating(self) -> int:
        """How many classes bend the features before the head: none if the outputs are logits."""
        return 0 if self.joint else self.classes

    def logits(self, h: Tensor) -> Tensor:
        """f `(B, classes)` of a joint model; raises `UsageError` for any other."""
        if not self.joint:
            raise UsageError("this network has no logits: build it with head 'logits' and classes")
        return self._outputs(h)

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        out = self._outputs(h)
        return of_logits(out, y) if self.joint else out[:, 0]

    def check(self, x: Tensor, y: Tensor | None, event_shape: tuple[int, ...]) -> None:
        """Raise `UsageError` for positions or labels that the network cannot take."""
        check_event(x, event_shape)
        check_label(y, self.classes, len(x))
        if y is None and self.modulating:
            raise UsageError(
                "a conditional network was called without labels: E(x) is not defined by E(x, y) alone; "
                "give y, or build with head 'logits' for a joint model"
            )

    def _outputs(self, h: Tensor) -> Tensor:
        with full_precision(h):
            out: Tensor = self.layers(widened(h))
        return out


class EnergyNet(nn.Module):
    """E(x) or E(x, y) of features and their `head`."""

    event_shape: tuple[int, ...]
    head: EnergyHead

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """What the head sees, `(B, F)`."""
        raise NotImplementedError

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        self.head.check(x, y, self.event_shape)
        energy: Tensor = self.head(self.features(x, y), y)
        return energy

    def logits(self, x: Tensor) -> Tensor:
        """f `(B, classes)` of a joint model; raises `UsageError` for any other."""
        return self.head.logits(self.features(x))


def of_logits(f: Tensor, y: Tensor | None) -> Tensor:
    """E(x, y) = -f(x)[y], or E(x) = -logsumexp_y f(x)[y] without labels, of logits f `(B, classes)`."""
    if y is None:
        return -f.logsumexp(1)
    return -(f * y).sum(1) if y.is_floating_point() else -f.gather(1, y[:, None])[:, 0]
