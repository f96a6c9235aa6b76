"""A network of a person's own as an energy: an instance taken as it is, tried before it is trained.

    net(x) or net(x, y) -> (B,)     the energy itself, of x or of a labelled x: the instance is returned
    -> (B, 1)                       the energy in a column: `Column` around it
    net(x) -> (B, classes)          logits f, a joint model with E(x, y) = -f(x)[y]: `Logits` around it

Weights keep their names, behind "net." inside one of the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from ..core.energy import curvature
from ..core.errors import UsageError
from ..core.explain import warn
from ..core.position import norm
from .frozen import evaluating, modules_of

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
        f = self.logits(x)
        if y is None:
            return -f.logsumexp(1)
        return -(f * y).sum(1) if y.is_floating_point() else -f.gather(1, y[:, None])[:, 0]


def prepared_net(
    net: nn.Module,
    event_shape: tuple[int, ...],
    low: float = -1.0,
    high: float = 1.0,
    classes: int = 0,
    *,
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
        joint: logits are needed, from `net(x)` or from a method `net.logits(x)`.
        curved: refuse an energy whose second derivative by x is 0, which some losses cannot train.
        second: what the second argument is called in an error.

    Raises:
        UsageError: a class, a network without parameters, one that cannot be called so, or another output.
    """
    _require_instance(net)
    x, logits = _two_rows(net, event_shape, low, high), getattr(net, "logits", None)
    if joint and callable(logits) and _tried(net, logits, x).shape == (2, classes):
        return net
    labelled = classes > 0 and not joint and _takes_label(net)
    y = (torch.tensor([0, classes - 1], device=x.device),) if labelled else ()
    out = _tried(net, net, x, *y)
    _warn_of_batch_norm(net)
    if classes and not labelled:
        if out.shape != (2, classes):
            raise UsageError(_wanted(net, out, classes, joint, second))
        return Logits(net)
    if out.shape not in ((2,), (2, 1)):
        raise UsageError(f"{_returns(net, out)}: an energy returns (B,) or (B, 1), one number a datum")
    found = net if out.shape == (2,) else Column(net)
    if curved:
        _require_curved(found, net, x)
    return found


def prepared_vector(
    net: nn.Module, event_shape: tuple[int, ...], low: float, high: float, outputs: int, why: str = ""
) -> nn.Module:
    """`net` once it has been tried as `prepared_net` does; raises `UsageError` unless it returns `(B,
    outputs)`, with `why` it must.
    """
    _require_instance(net)
    out = _tried(net, net, _two_rows(net, event_shape, low, high))
    _warn_of_batch_norm(net)
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


def _require_curved(found: nn.Module, net: nn.Module, x: Tensor) -> None:
    """Raise `UsageError` if the second derivative at the rows `x` is 0 and the first is not."""
    devices, v = [x.device] if x.device.type == "cuda" else [], torch.linspace(1, 2, x.numel())
    try:
        with torch.random.fork_rng(devices=devices), evaluating(net):
            _, grad, (bend,) = curvature(found, x, [v.to(x).view_as(x)])
    except RuntimeError as error:
        raise UsageError(
            f"{type(net).__name__} cannot be differentiated twice by x: {_reason(error)}"
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
    if not list(net.parameters()):
        raise UsageError(
            f"{type(net).__name__} has no parameters: there is nothing to train, only chains to run"
        )


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


def _takes_label(net: nn.Module) -> bool:
    try:
        inspect.signature(net.forward).bind(None, None)
    except TypeError:
        return False
    return True


def _two_rows(net: nn.Module, event_shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Two rows between `low` and `high` where the network is, in its precision."""
    known = next((p for p in net.parameters() if not is_lazy(p)), None)
    like = torch.empty(0) if known is None else known.detach()
    size = 2 * torch.Size(event_shape).numel()
    return torch.linspace(low, high, size, device=like.device).reshape(2, *event_shape).to(like.dtype)


def _tried(net: nn.Module, call: Callable[..., object], *arguments: Tensor) -> Tensor:
    """What `call` of the network returns for two rows."""
    device = arguments[0].device
    given = ", ".join(str(tuple(part.shape)) for part in arguments)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluating(net):
            with torch.no_grad():
                out = call(*arguments)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError) as error:
        raise UsageError(f"{type(net).__name__} cannot be called on {given}: {_reason(error)}") from error
    if not isinstance(out, Tensor) or not out.is_floating_point():
        what = out.dtype if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"{type(net).__name__} returns {what}: an energy must return a tensor of floats")
    return out


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _warn_of_batch_norm(net: nn.Module) -> None:
    found: Iterable[str] = (name for name, m in net.named_modules() if isinstance(m, _BatchNorm))
    first = next(iter(found), None)
    if first is not None:
        warn(
            f"batch norm ('{first}') makes E of a datum depend on its batch in the loss, and on running "
            "statistics in chains, which are then of another energy: take GroupNorm or LayerNorm"
        )
