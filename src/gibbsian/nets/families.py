"""What every energy network has as settings, and the register of families. No torch.

A family is a class of settings, derived from `AnyNet`, and a network built as `Class(event_shape, settings)`.
Others join by `register_net`; those of installed packages by an entry point of the group `gibbsian.nets`,
whose name is the family's and whose object is a `Family`.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from ..core.config import override, require_choices
from ..core.errors import UsageError, require_not_negative, unknown
from ..core.found import given_like, require_trusted
from ..core.kinds import Tagged

T = TypeVar("T")
GROUP = "gibbsian.nets"
AGAIN = "pass net= with the same network"
Activation: TypeAlias = Literal["elu", "gelu", "leaky_relu", "relu", "softplus", "swish", "tanh"]
Head: TypeAlias = Literal["logits", "scalar"]


@dataclass(frozen=True, kw_only=True)
class AnyNet(Tagged):
    """Settings of an energy network of any family; raises `UsageError` for values out of range."""

    name: str
    """Family: mlp, conv (plain convolutions), conv1d (the same of signals), igebm (residual, spectral norm),
    levels (the same, told a noise level: for drl), wide (residual, no norm: for classifiers), gated (by
    the label, for classes in sequence), autoencoder (distance to a reconstruction, for score matching),
    residual_mlp (inner product with a dense network, for noise_energy), unet (the same with convolutions),
    or your own module:Class.
    Another family keeps the settings that both have."""

    activation: Activation = "leaky_relu"
    """Nonlinearity. Objectives with second derivatives need a smooth one, such as swish."""

    negative_slope: float = 0.2
    """Slope of leaky_relu below zero."""

    classes: int = 0
    """Number of classes; 0 makes an energy without labels."""

    head: Head = "scalar"
    """With classes: E(x, y) by gains and biases a class (scalar), or -f(x)[y], a joint model (logits)."""

    condition: tuple[int, ...] = ()
    """Lengths of the blocks of the vector c of a conditional energy E(x, c); data with conditions set it."""

    condition_dropout: float = 0.0
    """Share of these blocks that training sets to zeros, each by itself, so that the model also knows E(x, c)
    of some blocks, and E(x): a block of zeros must then be no value that occurs."""

    def __post_init__(self) -> None:
        require_choices(self)
        require_not_negative(negative_slope=self.negative_slope)
        self._check_condition()
        if self.classes < 0:
            raise UsageError(f"classes is {self.classes}: use 0 for an unconditional energy")
        if self.head == "logits" and self.classes < 2:
            raise UsageError(
                f"head 'logits' with {self.classes} classes: it needs at least 2, which labelled data set by "
                "themselves; data without labels are for igebm, short_run and others"
            )

    def _check_condition(self) -> None:
        if any(n < 1 for n in self.condition):
            raise UsageError(f"condition is {list(self.condition)}: lengths of blocks, each at least 1")
        if self.condition and self.classes:
            raise UsageError(
                f"an energy of {self.classes} classes and a condition of {sum(self.condition)} numbers: set "
                "net.classes to 0, and let classes be numbers of the condition"
            )
        if not 0 <= self.condition_dropout < 1:
            raise UsageError(f"condition_dropout is {self.condition_dropout}: it is a share in [0, 1)")

    def refuse_condition(self, network: str) -> None:
        """Raise `UsageError` for a condition, which this network does not take."""
        if self.condition:
            raise UsageError(f"network '{network}' takes no condition: use mlp, conv, conv1d or igebm")

    @property
    def label_size(self) -> int:
        """Length of y as a row of numbers: of classes one each, or of a condition."""
        return self.classes or sum(self.condition)

    @property
    def joint(self) -> bool:
        """Whether the outputs are logits, so that E(x, y) = -f(x)[y]."""
        return self.head == "logits"

    @property
    def kinked(self) -> bool:
        """Whether the energy is known to be linear but for kinks, so that its second derivative is 0."""
        return self.activation in ("relu", "leaky_relu")

    @classmethod
    def kinds(cls) -> dict[str, type[AnyNet]]:
        """The settings of every registered family by its name."""
        return {name: family.config for name, family in FAMILIES.items()}

    @classmethod
    def kind(cls, name: str) -> type[AnyNet]:
        """The settings of a family, of `CustomNetConfig` for a `module:Class`."""
        return CustomNetConfig if ":" in name else family(name).config


@dataclass(frozen=True, kw_only=True)
class CustomNetConfig(AnyNet):
    """A network class of your own: `Class()`, or `Class(event_shape, config)` where it asks for these."""

    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What your class reads besides, by names of its choice, as in --net.options.width 64."""

    @property
    def kinked(self) -> bool:
        """No: what a network of one's own is made of shows when it is tried."""
        return False

    def __post_init__(self) -> None:
        super().__post_init__()
        module, _, name = self.name.partition(":")
        if not (module and name):
            raise UsageError(f"network '{self.name}' names no class: write module:Class")


@dataclass(frozen=True)
class Family:
    """One family: `network` is a class, or where to find it, as "package.module:Class"."""

    config: type[AnyNet]
    network: str | type[Any]
    channels_last: bool = False
    """Whether convolution weights are to lie in memory with channels last, which is quicker on CPUs."""


FAMILIES: dict[str, Family] = {}
"""The register, in the order of joining; those of this package join in `nets.settings`."""


def register_net(
    name: str, config: type[AnyNet], network: str | type[Any], *, channels_last: bool = False
) -> None:
    """Let `net.name` be `name`: `network(event_shape, config(...))` is then the network.

    An earlier one of others is replaced.

    Args:
        name: a word, without a colon.
        config: a frozen dataclass derived from `AnyNet`, whose `name` is this one by default.
        network: a subclass of `nn.Module`, or "package.module:Class", imported when it is first built.
        channels_last: lay convolution weights out with channels last.

    Raises:
        UsageError: the name is one of this package's or not a word, or `config` is no class of network
            settings.
    """
    ours = name in FAMILIES and FAMILIES[name].config.__module__.startswith(f"{__package__}.")
    if ":" in name or ours:
        raise UsageError(f"network '{name}' cannot join: the name is one of this package's, or has a colon")
    if not (isinstance(config, type) and issubclass(config, AnyNet) and dataclasses.is_dataclass(config)):
        raise UsageError(
            f"network '{name}' cannot join: its settings must be a dataclass derived from AnyNet"
        )
    FAMILIES[name] = Family(config, network, channels_last)


def family(name: str) -> Family:
    """The family of a name, registered or installed; raises `UsageError` naming the nearest for others."""
    if name not in FAMILIES and ("." in name or "/" in name):
        raise UsageError(f"network '{name}' names no class: write module:Class, or FILE.py:Class")
    if name not in FAMILIES:
        _install(name)
    return FAMILIES[name]


def _install(name: str) -> None:
    from importlib import metadata  # a tenth of the time that --help may take

    installed = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if name not in installed:
        raise unknown("network", name, [*FAMILIES, *installed])
    found = installed[name].load()
    if not isinstance(found, Family):
        raise UsageError(f"network '{name}' of {installed[name].value} cannot join: it is not a Family")
    register_net(name, found.config, found.network, channels_last=found.channels_last)


def trusted(config: T, allow: bool = False) -> T:
    """`config`, once it is sure that building it imports nothing but registered and installed networks.

    For settings that were read from a file: a `module:Class` in them would run code of the file's choice.
    A class that the person named from another folder stands for it. Raises `UsageError` naming it, unless
    `allow`.
    """
    changes: dict[str, Any] = {}
    for key, net in _nets(config) if not allow else ():
        if ":" in net.name and (given := given_like(net.name)) is not None:
            changes[f"{key}name"] = given
        elif ":" in net.name:
            require_trusted(net.name, "network", _remedy(net.name))
    return override(config, changes) if changes else config


def says_too_little(name: str) -> bool:
    """Whether a class is of torch, of a script or of a function: its name alone does not make it again."""
    return name.startswith(("torch.", "__main__:")) or "<locals>" in name


def _remedy(name: str) -> str:
    """How to have a stored network again."""
    if says_too_little(name):
        return AGAIN
    named = f"give net= in Python or --net {shlex.quote(name)} on the command line"
    return f"{named}, or trust them by trust=True or --trust"


def _nets(config: Any, key: str = "") -> Iterator[tuple[str, AnyNet]]:
    """Every network's settings within a dataclass, and the dotted name before its own."""
    if isinstance(config, AnyNet):
        yield key, config
    elif dataclasses.is_dataclass(config):
        for f in dataclasses.fields(config):
            yield from _nets(getattr(config, f.name), f"{key}{f.name}.")
    elif isinstance(config, Mapping):
        for name, value in config.items():
            yield from _nets(value, f"{key}{name}.")
