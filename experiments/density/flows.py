"""Flows and tilted flows fitted as a run was, stopped early or not: what the study of density compares.

Early stopping, the same for every model: the rows set aside are scored `LOOKS` times on the way, averaged
weights in place where the run averages, and the weights that scored best are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gibbsian.core.errors import UsageError
from gibbsian.core.position import Position
from gibbsian.core.random import Streams, derive, generator, seeded_init
from gibbsian.core.records import Batch, Loss
from gibbsian.core.spec import DataSpec
from gibbsian.data.dataset import Dataset
from gibbsian.energies.context import single
from gibbsian.models.build import build
from gibbsian.models.data_noise import noised_data
from gibbsian.models.gebm.config import GEBMConfig
from gibbsian.models.gebm.learner import GEBM
from gibbsian.models.gebm.model import TiltedGenerator
from gibbsian.models.learner import Learner
from gibbsian.models.model import EnergyModel
from gibbsian.nets.frozen import frozen
from gibbsian.nets.generator import FlowGenerator
from gibbsian.train.fit import finished
from gibbsian.train.recipes import RunConfig
from gibbsian.train.trainer import Trainer

LOOKS, GUESS, BATCHES = 50, 10_000, 20
CHUNK = 10_000


class Flow(EnergyModel):
    """The base of a Generalized EBM alone, which has a density and is not sampled."""

    def __init__(self, generator: FlowGenerator, spec: DataSpec) -> None:
        super().__init__(spec, claims_density=True)
        self.generator = generator

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """-log g(x) in nats, `(B,)`."""
        return -self.base_log_density(single(x))

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """-log g(x) in nats, `(B,)`."""
        return self.energy(x)

    def base_log_density(self, x: Tensor) -> Tensor:
        """log g(x) in nats, `(B,)`."""
        return self.generator.log_density(x)


class FlowLearner(Learner):
    """A flow by maximum likelihood: the network and the data of a Generalized EBM's settings."""

    config: GEBMConfig
    model: Flow

    @staticmethod
    def built(config: GEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> FlowLearner:
        """The learner of a flow whose weights are drawn from `rng`."""
        with seeded_init(rng):
            generator = FlowGenerator(event_shape, config.generator)
        spec = DataSpec(tuple(event_shape), config.pixels.low, config.pixels.high)
        return FlowLearner(config, Flow(generator, spec))

    def parameter_groups(self) -> dict[str, nn.Module]:
        """The flow."""
        return {"base": self.model.generator}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """-log g(x) of the data."""
        x = noised_data(batch, self.config.pixels, rng)
        yield "base", Loss(-self.model.base_log_density(x).mean())


@dataclass(frozen=True)
class Partition:
    """A = log mean exp(-E) over `n` base samples, its standard error by batches, and how many samples count.

    `effective` is (sum w)^2 / sum w^2 for w = exp(-E), out of n.
    """

    value: float
    error: float
    effective: float
    n: int


def partition(model: TiltedGenerator, n: int, rng: torch.Generator) -> Partition:
    """A of a Generalized EBM; its error is that of the mean weight over `BATCHES` batches, as a log."""
    if n < 10 * BATCHES:
        raise UsageError(
            f"--base-samples is {n}: take {10 * BATCHES} or more, for an error by {BATCHES} batches"
        )
    e = torch.cat([model.base_energies(min(CHUNK, n - k), rng) for k in range(0, n, CHUNK)]).double().cpu()
    value = float((-e).logsumexp(0)) - math.log(n)
    weights = (-e - value).exp()
    means = torch.stack([part.mean() for part in weights.tensor_split(BATCHES)])
    return Partition(value, float(means.std()) / math.sqrt(BATCHES), float(n**2 / weights.square().sum()), n)


@torch.no_grad()
def model_nats(model: TiltedGenerator, x: Tensor, log_partition: float) -> Tensor:
    """log q(x) = -E(x) - A + log g(x) in nats, `(B,)`, float64."""
    with frozen(model):
        return (model.base_log_density(x) - model.energy(x)).double().cpu() - log_partition


@torch.no_grad()
def flow_nats(model: TiltedGenerator | Flow, x: Tensor) -> Tensor:
    """log g(x) in nats of a base, `(B,)`, float64."""
    with frozen(model):
        return model.base_log_density(x).double().cpu()


def flow_updates(config: GEBMConfig, steps: int, model: TiltedGenerator) -> int:
    """Updates of the flow to compare with a run of `steps`.

    All of them if the base learns by likelihood, those included in which it is frozen (`freeze_base_at`), so
    that the flow is not stopped before the model; as many as the base had if it learns by the divergence.
    """
    if config.base == "frozen":
        return 0
    if config.base == "likelihood":
        return steps
    learner = GEBM(config, model)
    return sum(learner.base_due(k) and not config.base_frozen(k) for k in range(steps))


def fitted_model(run: RunConfig, data: Dataset, held: Dataset | None, seed: int) -> TiltedGenerator:
    """The run's Generalized EBM trained anew, stopped early by `held` if given."""
    learner = build("gebm", run.model, data.event_shape, Streams(seed).init)
    model = learner.model
    assert isinstance(model, TiltedGenerator)

    def nats(x: Tensor) -> float:
        known = partition(model, GUESS, generator(derive(seed, "look"))).value
        return float(model_nats(model, x, known).mean())

    _fit(learner, data, run, run.train.steps, 1.0, seed, Keeper(model, held, nats) if held else None)
    return model


def fitted_flow(run: RunConfig, data: Dataset, held: Dataset | None, seed: int, updates: int) -> Flow:
    """The run's base by maximum likelihood with `updates` updates at the base's own rate."""
    learner = FlowLearner.built(run.model, data.event_shape, Streams(seed).init)
    model = learner.model
    keeper = Keeper(model, held, lambda x: float(flow_nats(model, x).mean())) if held else None
    _fit(learner, data, run, updates, run.model.base_rate, seed, keeper)
    return model


class Keeper:
    """A measure for the trainer that keeps the weights which score best on the rows set aside."""

    def __init__(self, model: EnergyModel, held: Dataset, nats: Callable[[Tensor], float]) -> None:
        self.model, self.nats = model, nats
        self.x = held.batch(torch.arange(len(held)), model.spec.low, model.spec.high).x
        self.best, self.weights = -math.inf, dict[str, Tensor]()

    def __call__(self, model: EnergyModel, rng: torch.Generator) -> float:
        """-mean log-likelihood of the rows set aside; the best weights are copied."""
        nats = self.nats(self.x)
        if nats > self.best:
            self.best = nats
            self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        return -nats

    def restore(self) -> None:
        """Put the best weights back."""
        if self.weights:
            self.model.load_state_dict(self.weights)


def _fit(
    learner: Learner,
    data: Dataset,
    run: RunConfig,
    steps: int,
    rate: float,
    seed: int,
    keeper: Keeper | None,
) -> None:
    if steps:
        train = replace(
            run.train, steps=steps, lr=run.train.lr * rate, seed=seed, sample_every=0,
            validate_every=max(1, steps // LOOKS) if keeper else 0,
        )  # fmt: skip
        trainer = Trainer(learner, data, train, run.monitor, validate=keeper)
        trainer.fit(progress=False)
        finished(trainer)
    if keeper:
        keeper.restore()
    learner.eval()
