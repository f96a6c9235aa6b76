"""What the tests share: one thread, small data, tiny runs. Nothing here hides a warning."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from cases import ROWS
from cases import TINY as TINY_SETTINGS
from torch import Tensor, nn

from gibbsian.core.config import override
from gibbsian.core.spec import DataSpec
from gibbsian.data.dataset import Dataset
from gibbsian.data.load import load
from gibbsian.energies.latent import PullBack
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.learner import Learner
from gibbsian.models.model import EnergyModel
from gibbsian.models.papers import entry
from gibbsian.models.sampler import ChainStage, Sampler
from gibbsian.models.vaebm.model import TiltedVAE
from gibbsian.train.fit import Prepared, finished, prepare
from gibbsian.train.recipes import RunConfig
from gibbsian.train.settings import MonitorConfig, TrainConfig

torch.set_num_threads(1)
# No test writes to the folder of the person who runs it.
KEPT = tempfile.TemporaryDirectory(prefix="gibbsian-packages-")
os.environ["GIBBSIAN_CACHE"] = os.environ.get("GIBBSIAN_TEST_CACHE", KEPT.name)

TINY = TrainConfig(**TINY_SETTINGS)


@pytest.fixture(scope="session")
def small_data() -> Callable[[str], Dataset]:
    """The first rows of a data set, loaded once."""
    held: dict[str, Dataset] = {}

    def get(name: str) -> Dataset:
        if name not in held:
            held[name] = load(name).take(ROWS)
        return held[name]

    return get


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., RunConfig]:
    """A run configuration from a paper's defaults, tiny training and dotted changes."""

    def make(system: str, data: str, changes: dict[str, Any] | None = None) -> RunConfig:
        parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "monitor": {}}
        for dotted, value in (changes or {}).items():
            head, _, rest = dotted.partition(".")
            section, key = (head, rest) if head in ("train", "monitor") else ("model", dotted)
            parts[section][key] = value
        model = override(entry(system).config_class()(), parts["model"])
        train, monitor = override(TINY, parts["train"]), override(MonitorConfig(), parts["monitor"])
        return RunConfig(system, "", data, model, train, monitor)

    return make


@pytest.fixture(scope="session")
def tiny_run(
    small_data: Callable[[str], Dataset], tiny_config: Callable[..., RunConfig]
) -> Callable[..., Prepared]:
    """A prepared run of a tiny configuration: `tiny_run("igebm", "toy:ring", {...}, out=..., resume=...)`."""

    def make(
        system: str, data: str, changes: dict[str, Any] | None = None, *, out: Path | None = None, **more: Any
    ) -> Prepared:
        return prepare(tiny_config(system, data, changes), small_data(data), out=out, **more)

    return make


class Tilted(EnergyModel):
    """A model whose chains move latents: x = mean + z, or z + eps / 2 for a pair, tilted by |x|^2 / 2.

    The sampler "default" refines draws of the base by Langevin, "base" draws without a step.
    """

    def __init__(self, event_shape: tuple[int, ...] = (2,), pair: bool = False, steps: int = 6) -> None:
        super().__init__(DataSpec(event_shape, -1.0, 1.0), claims_density=True)
        self.mean = nn.Parameter(torch.ones(event_shape))
        self.samplers = {"default": TiltedLatents(self, pair, steps), "base": TiltedLatents(self, pair, 0)}

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The tilt."""
        return x.square().flatten(1).sum(1) / 2

    def neg_log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The same."""
        return self.energy(x, y)


class TiltedLatents(Sampler):
    """Latents of the prior, moved by so many steps of Langevin; by none, whatever is asked for, if 0."""

    def __init__(self, model: Tilted, pair: bool, steps: int) -> None:
        self.model, self.pair, self.steps = model, pair, steps

    def stages(self, n, rng, *, y=None, steps=None):
        """One stage."""
        z, eps = torch.randn(2, n, *self.model.spec.event_shape, generator=rng)
        count = (steps or self.steps) if self.steps else 0
        energy, tilt = (PullBack(self.model.energy, self.decode, prior=prior) for prior in (True, False))
        yield ChainStage(energy, Langevin(0.1), count, (z, eps) if self.pair else z, tilt)

    def decode(self, position):
        """x of latents; in eval mode only, as networks with batch norm need it."""
        assert not self.model.training
        z, eps = position if self.pair else (position, torch.zeros(()))
        return self.model.mean + z + eps / 2


class Ran(NamedTuple):
    """Exit code of a command line, and what was written."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """stdout as one JSON object; fails if there is anything else."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Call a command line in process: `called(main, "list", "systems")` or `called(main, "list systems")`."""

    def call(main: Callable[[Sequence[str]], int], *words: str) -> Ran:
        capsys.readouterr()
        code = main(words[0].split() if len(words) == 1 else list(words))
        ran = Ran(code, *capsys.readouterr())
        assert "Traceback" not in ran.out + ran.err
        return ran

    return call


SMALL_VAEBM = {
    "vae.steps": 2,
    "vae.hidden": (16,),
    "vae.groups": (3,),
    "net.name": "mlp",
    "net.hidden": (8,),
    "chain.steps": 2,
    "buffer.capacity": 40,
    "train.steps": 8,
}


@pytest.fixture
def vaebm_learner(tiny_run: Callable[..., Prepared]) -> Learner:
    """A VAEBM of a few updates on digits, with chains in its buffer."""
    trainer = tiny_run("vaebm", "digits", SMALL_VAEBM).trainer
    trainer.fit(progress=False)
    finished(trainer)
    return trainer.learner


@pytest.fixture
def vaebm(vaebm_learner: Learner) -> TiltedVAE:
    """Its model."""
    assert isinstance(vaebm_learner.model, TiltedVAE)
    return vaebm_learner.model


@pytest.fixture
def tilted() -> type[Tilted]:
    """A model on latents with everything known: `tilted((1, 4, 4), pair=True, steps=6)`."""
    return Tilted
