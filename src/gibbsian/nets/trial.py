"""A network of a person's own, tried on two rows before it is trained: its output, its slope, its faults."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.parameter import is_lazy

from ..core.energy import value_and_grad
from ..core.errors import UsageError
from ..core.explain import warn
from ..core.random import generator, seeded_init
from .frozen import evaluating


def two_rows(net: nn.Module, event_shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Two rows between `low` and `high` where the network is, in its precision."""
    known = next((p for p in net.parameters() if not is_lazy(p)), None)
    like = torch.empty(0) if known is None else known.detach()
    size = 2 * torch.Size(event_shape).numel()
    return torch.linspace(low, high, size, device=like.device).reshape(2, *event_shape).to(like.dtype)


def tried(net: nn.Module, call: Callable[..., object], *arguments: Tensor) -> Tensor:
    """What `call` of the network returns for two rows."""
    device = arguments[0].device
    given = ", ".join(str(tuple(part.shape)) for part in arguments)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluating(net):
            with torch.no_grad():
                out = call(*arguments)
    except Exception as error:  # it is a person's own code
        raise UsageError(f"{type(net).__name__} cannot be called on {given}: {reason(error)}") from error
    if not isinstance(out, Tensor) or not out.is_floating_point():
        what = out.dtype if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"{type(net).__name__} returns {what}: an energy must return a tensor of floats")
    if not out.isfinite().all():
        low, high = float(arguments[0].min()), float(arguments[0].max())
        raise UsageError(
            f"{type(net).__name__} returns values that are not finite for x from {low:g} to {high:g}"
        )
    return out


def require_slope(net: nn.Module, *arguments: Tensor) -> None:
    """Raise `UsageError` where the network cannot be differentiated by x, as chains do."""
    x, *y = arguments
    devices = [x.device] if x.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), evaluating(net):
            value_and_grad(lambda x: net(x, *y).flatten(), x)
    except RuntimeError as error:
        name = type(net).__name__
        raise UsageError(f"{name} cannot be differentiated by x, as chains do: {reason(error)}") from error


def warn_of_coupling(net: nn.Module, out: Tensor, *arguments: Tensor) -> None:
    """A warning of an energy that depends on the rest of its batch, or on chance."""
    warn_of_batch_norm(net)
    x, *y = arguments
    with seeded_init(generator(1)), evaluating(net), torch.no_grad():
        other = net(torch.stack([x[0], x[0]]), *y)
    if out.dim() and not torch.allclose(out[0], other[0], rtol=1e-3, atol=1e-5):
        warn(
            f"E of a datum in {type(net).__name__} depends on the rest of its batch, or on chance, as in "
            "chains it must not: take statistics over a datum, draw in training alone"
        )


def warn_of_batch_norm(net: nn.Module) -> None:
    """A warning of layers of batch norm, and of instance norm with running statistics."""
    norms = [(name, m) for name, m in net.named_modules() if isinstance(m, _NormBase)]
    first = next((name for name, m in norms if isinstance(m, _BatchNorm)), None)
    tracks = next((name for name, m in norms if m.track_running_stats), None)
    if first is not None:
        warn(
            f"batch norm ('{first}') makes E of a datum depend on its batch in the loss, and on running "
            "statistics in chains, which are then of another energy: take GroupNorm or LayerNorm"
        )
    elif tracks is not None:
        warn(
            f"instance norm ('{tracks}') takes running statistics in chains, which are then of another "
            "energy: leave track_running_stats off"
        )


def reason(error: Exception) -> str:
    """The first line of an error, with its kind where that says more."""
    said = (str(error).splitlines() or [""])[0]
    return said if isinstance(error, (RuntimeError, TypeError)) else f"{type(error).__name__} {said}".rstrip()
