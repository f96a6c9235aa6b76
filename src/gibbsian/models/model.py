"""What a model is: what was learnt. p(x) ~ q(x) exp(-E(x) / T), with a base q and a temperature T.

A model is one of a few kinds (one energy on data, an energy on latents through a decoder, energies over noise
levels or image sizes, ...); how it was learnt is a `Learner`, how it is sampled a `Sampler`. The file is long
because a sum of models is a model, so both stand here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..core.config import to_dict
from ..core.device import device_of
from ..core.energy import Energy, called
from ..core.errors import UsageError, unknown
from ..core.explain import explained
from ..core.position import Position
from ..core.random import RngLike
from ..core.spec import DataSpec
from ..energies.algebra import Product
from .composed_sampler import Composition, composed_sampler, walled
from .labels import KEPT, checked_labels, class_or_condition
from .sampler import RunOptions, Sampler
from .samples import Samples, draw_samples, require_counts, stream
from .sources import Paper


@dataclass(frozen=True)
class Record:
    """How a model was built: the name of its paper here, its settings, where the paper is to be found, and
    the line that reads the data it learnt, where there is one.
    """

    name: str
    config: Any
    paper: Paper | None = None
    data: str = ""


class EnergyModel(nn.Module, ABC):
    """An energy-based model: everything that its energy, its density or its samplers read.

    Attributes:
        spec: shape, range and classes of its data.
        temperature: T of the distribution exp(-E/T) that its learner fitted; 0 where there is none.
        claims_density: whether `neg_log_prob` is -log p(x) up to a constant, up to the bias of training;
            of a conditional model that is not `joint`, -log p(x | y) for each y. False where chains are
            clipped, clamped or too short to sample it: then it only ranks. The settings of
            each paper decide, by a property of the same name; `gibbsian list presets` shows it for each.
        joint: whether the softmax of its logits is p(y | x), so that chains without a label move on p(x).
        samplers: ways to draw samples, by name; "default" is the one that `sample` uses.
        record: how it was built, kept with the saved weights; none for models built by hand.
    """

    joint: bool = False
    conditions: Tensor
    """Conditions of training rows, `(K, D)`, in models of p(x | c)."""

    def __init__(self, spec: DataSpec, temperature: float = 1.0, claims_density: bool = False) -> None:
        super().__init__()
        self.spec = spec
        self.temperature, self.claims_density = temperature, claims_density
        self.samplers: dict[str, Sampler] = {}
        self.record: Record | None = None
        if spec.condition:
            self.register_buffer("conditions", torch.zeros(KEPT, sum(spec.condition)))

    def __repr__(self) -> str:
        spec, paper = self.spec, f" of {self.record.name}" if self.record else ""
        labelled = f"{spec.num_classes} classes" if spec.num_classes else "no labels"
        labelled = f"conditions of {sum(spec.condition)} numbers" if spec.condition else labelled
        claims = "claims a density" if self.claims_density else "claims no density"
        weights = sum(p.numel() for p in self.parameters())
        return (
            f"{type(self).__name__}{paper}: {weights:,} parameters on data {spec.event_shape} in "
            f"[{spec.low:g}, {spec.high:g}], {labelled}, temperature {self.temperature:.3g}, {claims}, "
            f"samplers {', '.join(self.samplers) or 'none'}"
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """What a caller gives wrong is told in one line (see `core.explain`)."""
        super().__init_subclass__(**kwargs)
        for name in {"energy", "neg_log_prob", "sampler"} & vars(cls).keys():
            setattr(cls, name, explained(vars(cls)[name]))

    @property
    def inner(self) -> EnergyModel:
        """The model that chains move on and tasks look at: itself, unless it is in units of a table."""
        return self

    @abstractmethod
    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), or E(x, y) for labels `(B,)` or conditions `(B, D)`, of data `(B, *event_shape)`.

        Shape `(B,)`, low is likely.
        """

    @abstractmethod
    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E/T with the base measure, -log p(x) up to a constant; shape `(B,)`. See `claims_density`."""

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """The energy that chains on data move on, at labels `y` `(B,)` or without.

        Raises `UsageError` for labels that this model does not have.
        """
        self.spec.refuse_labels(y)
        return self.energy

    @property
    def knows_marginal(self) -> bool:
        """Whether it has an E(x) beside those of labels or conditions, at zeros if not `joint`."""
        return self.joint or not self.spec.conditional or self.spec.condition_dropout > 0

    @property
    def chain_temperature(self) -> float:
        """The temperature of chains on `conditioned`: T, or 1 where that is E/T with a base."""
        return self.temperature

    @explained
    def sampler(self, name: str = "default") -> Sampler:
        """The sampler of this name; raises `UsageError` naming the nearest for an unknown one."""
        if not self.samplers:
            raise UsageError(
                "this model has no sampler of its own: give a kernel, as in gibbsian.sample(model, 64, "
                "kernel=gibbsian.MALA(0.1))"
            )
        if name not in self.samplers:
            raise unknown("sampler", name, self.samplers)
        return self.samplers[name]

    @explained
    def sample(
        self,
        n: int,
        *,
        y: int | Tensor | None = None,
        steps: int | None = None,
        seed: int = 0,
        rng: RngLike = None,
        thin: int = 0,
        chunk: int = 512,
        sampler: str | Sampler = "default",
        options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    ) -> Samples:
        """Draw `n` samples.

        Args:
            y: class for a conditional model, one for all or a `(n,)` tensor, uniform by default; or condition
                of one of p(x | c), `(D,)` or `(n, D)`, by default those of training rows.
            steps: chain steps; the sampler's own number by default.
            seed: seed of the draw, unless `rng`, a generator or a seed, is given. The same seed gives the
                same samples.
            thin: keep every `thin`-th position in `result.chains[i].trace`.
            chunk: chains moved together.
            sampler: the name of one of `samplers`, or any sampler of this kind of model.

        Raises:
            UsageError: n or steps below 1, an unknown class or sampler, a label for a model without labels.
        """
        require_counts(n, steps)
        device = device_of(self)
        rng = stream(rng, seed, device)
        chosen = self.sampler(sampler) if isinstance(sampler, str) else sampler
        y = class_or_condition(self, n, checked_labels(self, n, y), rng)
        drawn = draw_samples(
            self, chosen, n, rng=rng, y=y, steps=steps, thin=thin, chunk=chunk, options=options
        )
        return replace(drawn, range=(self.spec.low, self.spec.high))

    @explained
    def forward(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), or E(x, y), so that a model is an energy wherever a callable is one."""
        return self.energy(x, y)

    def __add__(self, other: EnergyModel) -> EnergyModel:
        """The product of both densities: see `product`."""
        return ComposedEnergy((self, other))

    @explained
    def save(self, path: Path | str, *, data: str = "") -> Path:
        """Write a model folder that `gibbsian.load` reads; `data` names what it was trained on, if not known.

        Raises `UsageError` for a model that no registered paper built, and when the disk refuses.
        """
        if self.record is None:
            raise UsageError(
                "this model was built by hand, so no folder could be loaded: save its "
                "state_dict(), or build it with gibbsian.fit or gibbsian.build"
            )
        about = {
            "system": self.record.name,
            "event_shape": list(self.spec.event_shape),
            "temperature": self.temperature,
            "claims_density": self.claims_density,
            "data": data or self.record.data,
            **({} if self.spec.table is None else {"table": self.spec.table.to_dict()}),
            "config": to_dict(self.record.config),
        }
        from . import folder

        return folder.write(path, self.state_dict(), about, self.record.paper)


class ComposedEnergy(EnergyModel):
    """What `compose` makes of the -log p of two or more models `parts`, at temperature 1.

    The range is that of the first; chains run through the stages of all side by side (`composed_sampler`).

    Args:
        parts: models of data of one shape; of models in units of a table their `inner`.
        compose: makes one energy of theirs, such as `gibbsian.Product`.
        claims: whether the result is -log p up to a constant where every part is.
        shares: of a mixture, the share of each part.
        walls: whether there is nothing beyond the range of images, where the energy may fall.

    Raises `UsageError` for fewer than two models, for data of other shapes, and for columns in other units.
    """

    def __init__(
        self,
        parts: Sequence[EnergyModel],
        compose: Composition = Product,
        *,
        claims: bool = True,
        shares: Sequence[float] = (),
        walls: bool = False,
    ) -> None:
        _require_models(parts)
        parts = [part.inner for part in parts]
        spec = parts[0].spec
        super().__init__(spec.unconditional())
        noised = any(s.beyond_range for part in parts for s in part.samplers.values())
        box = (spec.low, spec.high) if walls and spec.is_image and not noised else None
        self.parts, self.compose = nn.ModuleList(parts), walled(compose, box)
        # E(x, y) of a conditional model says how likely x is for y, and nothing across its classes.
        self.claims_density = claims and all(_dense(part) for part in parts)
        if all("default" in part.samplers for part in parts):
            own = [part.sampler() for part in parts]
            self.samplers["default"] = composed_sampler(own, self.compose, shares, clamp=box)

    @property
    def models(self) -> list[EnergyModel]:
        """The parts."""
        return [cast(EnergyModel, part) for part in self.parts]

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """The composed -log p, up to a constant, `(B,)`."""
        self.spec.refuse_labels(y)
        return called(self.compose([part.neg_log_prob for part in self.models]), x)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """The energy itself: each part has been divided by its own temperature."""
        return self.energy(x, y)


def _require_models(parts: Sequence[EnergyModel]) -> None:
    for part in parts:
        if not isinstance(part, EnergyModel):
            raise UsageError(
                f"a product of models, but one is of type {type(part).__name__}: for other energies take "
                "gibbsian.Product([model.neg_log_prob, energy])"
            )
    if len(parts) < 2:
        raise UsageError(f"a product needs two models or more, got {len(parts)}")
    shapes = {part.spec.event_shape for part in parts}
    if len(shapes) > 1:
        raise UsageError(f"a product of models of {sorted(shapes)}: all must be of data of one shape")
    if len({part.spec.table for part in parts}) > 1:
        raise UsageError("these models learnt columns in other units: train them on one table")


def _dense(part: EnergyModel) -> bool:
    return part.claims_density and (part.joint or not part.spec.conditional)
