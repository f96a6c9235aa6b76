"""A network of a person's own as an energy: an instance taken as it is, tried before it is trained.

    net(x) or net(x, y) -> (B,)     the energy itself, of x or of a labelled x: the instance is returned
    -> (B, 1)                       the energy in a column: `Column` around it
    net(x) -> (B, classes)          logits f, a joint model with E(x, y) = -f(x)[y]: `Logits` around it

Weights keep their names, behind "net." inside one of the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..core.energy import curvature
from ..core.errors import UsageError
from ..core.position import norm
from .frozen import evaluating, modules_of
from .layers import of_logits
from .trial import reason, require_slope, tried, two_rows, warn_of_batch_norm, warn_of_coupling

KINKED = (
    *(nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.PReLU, nn.RReLU),
    *(nn.Hardtanh, nn.Threshold, nn.Hardshrink, nn.Softshrink),
)
"""Layers that are linear but for kinks."""


class Column(nn.Module):
    """E(x) or E(x, y), `(B,)`, of a network that returns `(B, 1)`."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        e: Tensor = self.net(x, *y)
        return e.squeeze(1)


class Logits(nn.Module):
    """E(x) = -logsumexp_y f(x)[y] and E(x, y) = -f(x)[y] of a network with logits f `(B, classes)`."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def logits(self, x: Tensor) -> Tensor:
        """f(x), `(B, classes)`."""
        f: Tensor = self.net(x)
        return f

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return of_logits(self.logits(x), y)


def prepared_net(
    net: nn.Module,
    event_shape: tuple[int, ...],
    low: float = -1.0,
    high: float = 1.0,
    classes: int = 0,
    *,
    condition: int = 0,
    joint: bool = False,
    curved: bool = False,
    second: str = "y",
) -> nn.Module:
    """`net` ready to be trained as an energy, or inside `Column` or `Logits` where its output asks for it.

    It is called once, on two rows between `low` and `high`, in eval mode and without gradients: lazy layers
    are initialised by that, and torch's random stream and the statistics of batch norm stay as they were.

    Args:
        net: called as `net(x)`; with classes as `net(x, y)`, or as `net(x)` for logits of them.
        event_shape: the shape of one datum, `(C, H, W)` or `(D,)`.
        low, high: the range of the data.
        classes: number of classes, 0 without labels.
        condition: length of the vector c of a network called as `net(x, c)`; 0 without one.
        joint: logits are needed, from `net(x)` or from a method `net.logits(x)`.
        curved: refuse an energy whose second derivative by x is 0, which some losses cannot train.
        second: what the second argument is called in an error.

    Raises:
        UsageError: a class, a network without parameters, one that cannot be called so, or another output.
    """
    _require_instance(net)
    x, logits = two_rows(net, event_shape, low, high), getattr(net, "logits", None)
    if joint and callable(logits) and tried(net, logits, x).shape == (2, classes):
        return net
    labelled = condition > 0 or classes > 0 and not joint and takes(net.forward, (None, None))
    y = (_second(classes, condition).to(x.device),) if labelled else ()
    if condition and not takes(net.forward, (None, None)):
        raise UsageError(
            f"{type(net).__name__} takes x alone: with conditions of {condition} numbers give a net(x, c) "
            f"that returns (B,), c being (B, {condition}) of float32"
        )
    out = tried(net, net, x, *y)
    if classes and not labelled:
        if out.shape != (2, classes):
            raise UsageError(_wanted(net, out, classes, joint, second))
        warn_of_coupling(net, out, x)
        return Logits(net)
    if out.shape not in ((2,), (2, 1)):
        raise UsageError(f"{_returns(net, out)}: an energy returns (B,) or (B, 1), one number a datum")
    found = net if out.shape == (2,) else Column(net)
    require_slope(net, x, *y)
    warn_of_coupling(net, out, x, *y)
    if curved:
        _require_curved(found, net, x, *y)
    return found


def _second(classes: int, condition: int) -> Tensor:
    """Two rows of the second argument."""
    return torch.zeros(2, condition) if condition else torch.tensor([0, classes - 1])


def prepared_vector(
    net: nn.Module, event_shape: tuple[int, ...], low: float, high: float, outputs: int, why: str = ""
) -> nn.Module:
    """`net` once it has been tried as `prepared_net` does; raises `UsageError` unless it returns `(B,
    outputs)`, with `why` it must.
    """
    _require_instance(net)
    out = tried(net, net, two_rows(net, event_shape, low, high))
    warn_of_batch_norm(net)
    if out.shape != (2, outputs):
        raise UsageError(f"{_returns(net, out)}: this model needs a network that returns (B, {outputs}){why}")
    return net


def require_trainable(net: nn.Module) -> None:
    """Raise `UsageError` for a network whose weights are not of float32, or are all held fixed."""
    _require_instance(net)
    other = next((p.dtype for p in net.parameters() if p.dtype != torch.float32), None)
    if other is not None:
        raise UsageError(
            f"{type(net).__name__} has weights of {other}, and networks are float32: call .float()"
        )
    if not any(p.requires_grad for p in net.parameters()):
        raise UsageError(
            f"no weight of this network is trainable: call .requires_grad_(True) on {type(net).__name__}"
        )


def kinked_layer(holder: object) -> str:
    """The first layer with kinks in the modules that `holder` holds, as "ReLU ('2')"; "" without one."""
    layers = (pair for owner in modules_of(holder) for pair in owner.named_modules())
    return next((f"{type(m).__name__} ('{name}')" for name, m in layers if isinstance(m, KINKED)), "")


def _require_curved(found: nn.Module, net: nn.Module, x: Tensor, *y: Tensor) -> None:
    """Raise `UsageError` if the second derivative at the rows `x` is 0 and the first is not."""
    devices, v = [x.device] if x.device.type == "cuda" else [], torch.linspace(1, 2, x.numel())
    try:
        with torch.random.fork_rng(devices=devices), evaluating(net):
            _, grad, (bend,) = curvature(lambda at: found(at, *y), x, [v.to(x).view_as(x)])
    except RuntimeError as error:
        raise UsageError(
            f"{type(net).__name__} cannot be differentiated twice by x: {reason(error)}"
        ) from error
    if norm(grad).any() and not bend.any():
        raise UsageError(flat(type(net).__name__, kinked_layer(net)))


def flat(name: str, layer: str = "") -> str:
    """The error of an energy whose second derivative is 0; `layer` is the one to replace."""
    why = f"is linear but for the kinks of {layer}" if layer else "is piecewise linear"
    return (
        f"{name} {why}: its second derivative by x is 0, so that this loss would learn a flat energy; take "
        "nn.SiLU, nn.Softplus or nn.Tanh"
    )


def _require_instance(net: object) -> None:
    if not isinstance(net, nn.Module):
        what = f"the class {net.__name__}" if isinstance(net, type) else f"a {type(net).__name__}"
        raise UsageError(f"net is {what}: give an instance of an nn.Module, such as MyNet()")
    name = type(net).__name__
    try:
        weights = list(net.parameters())
    except AttributeError as error:
        raise UsageError(f"{name} is no whole module: its __init__ must call super().__init__()") from error
    if not weights:
        raise UsageError(f"{name} has no parameters: there is nothing to train, only chains to run")
    if any(p.is_meta for p in weights):
        raise UsageError(f"{name} has weights without values (meta): call .to_empty(), and set them")


def _returns(net: nn.Module, out: Tensor) -> str:
    return f"{type(net).__name__} returns " + str(tuple(out.shape)).replace("(2", "(B", 1)


def _wanted(net: nn.Module, out: Tensor, classes: int, joint: bool, second: str) -> str:
    """The error of a network of x alone where there are classes."""
    if joint:
        return f"{_returns(net, out)}: this model needs a network that returns logits, (B, {classes})"
    return (
        f"{_returns(net, out)} for x alone: with {classes} values of {second} give a net(x, {second}) that "
        f"returns (B,), {second} being (B,) of int64, or a net(x) that returns (B, {classes}), -E of each"
    )


def takes(call: Callable[..., object], arguments: Sequence[object]) -> bool:
    """Whether a function, or a class as it is made, can be called with so many arguments."""
    try:
        inspect.signature(call).bind(*arguments)
    except TypeError:
        return False
    return True
