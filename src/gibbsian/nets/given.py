"""A network of a person's own as an energy: an instance taken as it is, tried before it is trained.

    net(x) or net(x, y) -> (B,)     the energy itself: the instance is returned
    -> (B, 1)                       the energy in a column: `Column` around it
    net(x) -> (B, classes)          logits f, a joint model with E(x, y) = -f(x)[y]: `Logits` around it

Weights keep their names, behind "net." inside one of the two.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from ..core.errors import UsageError
from .frozen import evaluating


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
    net: nn.Module, event_shape: tuple[int, ...], low: float = -1.0, high: float = 1.0, classes: int = 0
) -> nn.Module:
    """`net` ready to be trained as an energy, or inside `Column` or `Logits` where its output asks for it.

    It is called once, on two rows between `low` and `high`, in eval mode and without gradients: lazy layers
    are initialised by that, and torch's random stream and the statistics of batch norm stay as they were.

    Args:
        net: called as `net(x)`, or as `net(x, y)` if there are classes and it takes two arguments.
        event_shape: the shape of one datum, `(C, H, W)` or `(D,)`.
        low, high: the range of the data.
        classes: number of classes, 0 without labels.

    Raises:
        UsageError: a class, a network without parameters, one that cannot be called so, or another output.
    """
    if not isinstance(net, nn.Module):
        what = f"the class {net.__name__}" if isinstance(net, type) else f"a {type(net).__name__}"
        raise UsageError(f"net is {what}: give an instance of an nn.Module, such as MyNet()")
    if not list(net.parameters()):
        raise UsageError(
            f"{type(net).__name__} has no parameters: there is nothing to train, only chains to run"
        )
    labelled = classes > 0 and _takes_label(net)
    out = _tried(net, event_shape, low, high, classes if labelled else 0)
    _warn_of_batch_norm(net)
    if out.shape == (2,):
        return net
    if out.shape == (2, 1) and classes != 1:
        return Column(net)
    if classes and not labelled and out.shape == (2, classes):
        return Logits(net)
    wanted = f"(B,), (B, 1) or, as logits, (B, {classes})" if classes and not labelled else "(B,) or (B, 1)"
    got = str(tuple(out.shape)).replace("(2", "(B", 1)
    raise UsageError(f"{type(net).__name__} returns {got}: an energy returns {wanted}, one number a datum")


def _takes_label(net: nn.Module) -> bool:
    try:
        inspect.signature(net.forward).bind(None, None)
    except TypeError:
        return False
    return True


def _tried(net: nn.Module, event_shape: tuple[int, ...], low: float, high: float, classes: int) -> Tensor:
    """The output for two rows, `y` being the first and the last class."""
    known = next((p for p in net.parameters() if not is_lazy(p)), None)
    like = torch.empty(0) if known is None else known.detach()
    size = 2 * torch.Size(event_shape).numel()
    x = torch.linspace(low, high, size, device=like.device).reshape(2, *event_shape).to(like.dtype)
    y = (torch.tensor([0, classes - 1], device=like.device),) if classes else ()
    devices = [like.device] if like.device.type == "cuda" else []
    given = ", ".join(str(tuple(part.shape)) for part in (x, *y))
    try:
        with torch.random.fork_rng(devices=devices), evaluating(net), torch.no_grad():
            out = net(x, *y)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{type(net).__name__} cannot be called on {given}: {reason}") from error
    if not isinstance(out, Tensor) or not out.is_floating_point():
        what = out.dtype if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"{type(net).__name__} returns {what}: an energy must return a tensor of floats")
    return out


def _warn_of_batch_norm(net: nn.Module) -> None:
    found: Iterable[str] = (name for name, m in net.named_modules() if isinstance(m, _BatchNorm))
    first = next(iter(found), None)
    if first is not None:
        warnings.warn(
            f"batch norm ('{first}') makes E of a datum depend on its batch in the loss, and on running "
            "statistics in chains, which are then of another energy: take GroupNorm or LayerNorm",
            stacklevel=3,
        )
