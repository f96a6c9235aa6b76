"""What the tests share: one thread, small data, tiny runs. Nothing here hides a warning."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from cases import ROWS
from cases import TINY as TINY_SETTINGS
from torch import Tensor, nn

from gibbsian.core.config import override
from gibbsian.data.dataset import Dataset
from gibbsian.data.load import load
from gibbsian.energies.latent import PullBack
from gibbsian.mcmc.langevin import Langevin
from gibbsian.recipes.catalog import RunConfig, entry
from gibbsian.recipes.train import MonitorConfig, TrainConfig
from gibbsian.systems.base import Leg, System
from gibbsian.train.fit import Prepared, prepare

torch.set_num_threads(1)

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
    """A run configuration from a system's defaults, tiny training and dotted changes."""

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


class Tilted(System):
    """A system whose chains move latents: x = mean + z, or z + eps / 2 for a pair, tilted by |x|^2 / 2.

    `plan` refines draws of the base by Langevin, `other_plans()["base"]` draws without a step.
    """

    def __init__(self, event_shape: tuple[int, ...] = (2,), pair: bool = False, steps: int = 6) -> None:
        super().__init__()
        self.event_shape, self.pair, self.steps = event_shape, pair, steps
        self.config = SimpleNamespace(
            net=SimpleNamespace(classes=0), pixels=SimpleNamespace(low=-1.0, high=1.0)
        )
        self.mean = nn.Parameter(torch.ones(event_shape))
        self.matched = True

    def groups(self):
        """The mean, which nothing trains."""
        return {"base": self}

    def losses(self, batch, step, rng):
        """None."""
        return iter(())

    def plan(self, n, rng, *, y=None, steps=None):
        """Latents refined by a chain."""
        yield self._leg(n, rng, steps or self.steps)

    def other_plans(self):
        """The base alone."""
        return {"base": self.base}

    def base(self, n, rng, *, y=None, steps=None):
        """Latents of the prior, not moved."""
        yield self._leg(n, rng, 0)

    def decode(self, position):
        """x of latents; in eval mode only, as networks with batch norm need it."""
        assert not self.training
        z, eps = position if self.pair else (position, torch.zeros(()))
        return self.mean + z + eps / 2

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The tilt."""
        return x.square().flatten(1).sum(1) / 2

    def _leg(self, n: int, rng: torch.Generator, steps: int) -> Leg:
        z, eps = torch.randn(2, n, *self.event_shape, generator=rng)
        return Leg(PullBack(self.surprisal, self.decode), Langevin(0.1), steps, (z, eps) if self.pair else z)


@pytest.fixture
def tilted() -> type[Tilted]:
    """A system on latents with everything known: `tilted((1, 4, 4), pair=True, steps=6)`."""
    return Tilted


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
