"""Presets resolve, survive YAML, and build their model on their data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.config import override, to_dict
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.models.build import build, name_of
from gibbsian.models.papers import PAPERS, Published, entry
from gibbsian.nets.spectral import SpectralWeight
from gibbsian.train.load import from_run
from gibbsian.train.monitor import Monitor
from gibbsian.train.recipes import BEST, Recipe, RunConfig, default_preset, from_config, presets, resolve

SHAPES = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "fashion_mnist": (1, 28, 28),
    "omniglot": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "svhn": (3, 32, 32),
    "imagenet32": (3, 32, 32),
    "celeba": (3, 64, 64),
    "facades": (3, 64, 64),
    "mnist:to:emnist_letters": (1, 28, 28),
    "stacked_mnist": (3, 28, 28),
    "dsprites": (1, 64, 64),
    "dsprites32": (1, 32, 32),
    "sprites": (1, 32, 32),
    "folder": (3, 32, 32),
    "table:wine": (13,),
    "pointmass:two_way": (1,),
    "adroit_door": (39,),
}
PRESETS = [(system, preset) for system in PAPERS for preset in presets(system)]
each_preset = pytest.mark.parametrize(("system", "preset"), PRESETS, ids=["-".join(p) for p in PRESETS])


def shape(data: str) -> tuple[int, ...]:
    return (2,) if data.startswith("toy:") else SHAPES[data]


@each_preset
def test_presets_survive_yaml(system: str, preset: str) -> None:
    config = resolve(system, preset=preset)
    stored = yaml.safe_load(yaml.safe_dump(config.to_dict(), sort_keys=False))
    assert from_config(stored) == config
    assert resolve(system, file=stored) == config


@each_preset
def test_presets_name_their_data_and_build_on_it(system: str, preset: str, monkeypatch) -> None:
    """Networks of images are built on the meta device: shapes without numbers, and no power iterations."""
    monkeypatch.setattr(SpectralWeight, "advance", lambda self: None)
    config = resolve(system, preset=preset)
    recipe = presets(system)[preset]
    assert isinstance(recipe, Recipe) and recipe.note and config.data == recipe.data
    small = override(config.model, {"start.capacity": 4} if "start" in to_dict(config.model) else {})
    numbers = len(shape(recipe.data)) == 1 or to_dict(config.model).get("reference_sigma")  # are looked at
    with torch.device("cpu" if numbers else "meta"):
        built = build(system, small, shape(recipe.data), generator(0))
    assert name_of(built.model) == system and built.model.spec.event_shape == shape(recipe.data)
    assert all(sum(p.numel() for p in m.parameters()) > 0 for m in built.parameter_groups().values())


@pytest.mark.parametrize("system", PAPERS)
def test_every_entry_is_complete(system: str) -> None:
    found = entry(system)
    assert found.papers() and all(isinstance(p, Published) for p in found.published())
    for paper in found.papers():
        assert paper.url.startswith("https://") and 1980 < paper.year < 2100
        assert paper.bibtex().startswith(f"@inproceedings{{{paper.key},")
    assert found.line() and not found.line().endswith(".")
    reserved = {"system", "preset", "data", "train", "monitor"}
    assert not reserved & set(to_dict(found.config_class()())), "the sections of config.yaml would clash"


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(PRESETS), st.integers(1, 500), st.floats(1e-6, 10.0), st.floats(0.0, 1.0),
    st.sampled_from(["uniform", "gaussian"]), st.lists(st.integers(1, 64), min_size=1, max_size=4),
)  # fmt: skip
def test_changes_survive_yaml(pick, steps, size, decay, noise, hidden) -> None:
    system, preset = pick
    model = to_dict(presets(system)[preset].model)
    wanted = {"chain.steps": steps, "chain.step_size": size, "start.noise": noise, "net.hidden": hidden}
    changes = {k: v for k, v in wanted.items() if k.split(".")[1] in model.get(k.split(".")[0], {})}
    config = resolve(system, preset=preset, changes={**changes, "train.decay": decay})
    assert config.train.decay == decay
    assert from_config(yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config


def test_preset_then_file_then_changes() -> None:
    file = {"system": "short_run", "chain": {"steps": 7, "noise": 0.02}, "train": {"lr": 1e-2}}
    config = resolve("short_run", preset="digits", file=file, changes={"chain.steps": 9})
    preset = presets("short_run")["digits"]
    assert (config.model.chain.steps, config.model.chain.noise, config.train.lr) == (9, 0.02, 1e-2)
    assert config.model.chain.step_size == preset.model.chain.step_size
    assert preset.model.chain.steps != 9, "the preset itself must stay as it is"


def test_the_preset_made_for_the_data_is_the_default() -> None:
    assert default_preset("short_run", "digits") == "digits"
    assert default_preset("short_run", "toy:ring") == "toy" == default_preset("short_run", "points.csv")
    assert default_preset("short_run", "table:wine") == "toy"
    assert default_preset("short_run", "folder:x") == "images"
    assert resolve("short_run", preset="cifar10").data == "cifar10"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"system": "igebn"}, "unknown system 'igebn': did you mean 'igebm'"),
        (
            {"system": "short_run", "preset": "digit"},
            "unknown preset of short_run 'digit': did you mean 'digits'",
        ),
        (
            {"system": "cfebm", "preset": None, "data": "toy:ring"},
            "cfebm has no preset for points such as 'toy:ring', since it needs images",
        ),
        ({"changes": {"chian.steps": 3}}, "did you mean 'chain'"),
        ({"changes": {"chain.stpes": 3}}, "unknown key 'chain.stpes': did you mean 'steps'"),
        ({"changes": {"train.stpes": 3}}, "unknown key 'stpes': did you mean 'steps'"),
        ({"changes": {"monitor.policy": "halt"}}, "policy is 'halt'"),
        ({"changes": {"chain.steps": 0}}, "chain.steps is 0"),
        ({"changes": {"chain.step_size": float("nan")}}, "chain.step_size is nan"),
        ({"changes": {"chain.noise": float("nan")}}, "chain.noise is nan"),
        ({"changes": {"chain.noise": -1.0}}, "chain.noise is -1"),
        ({"changes": {"start.reinit": 2.0}}, "start.reinit is 2"),
        ({"changes": {"start.capacity": 0}}, "start.capacity is 0"),
        ({"changes": {"pixels.low": 2.0}}, "must lie below"),
        ({"changes": {"loss.energy_l2": -1.0}}, "loss.energy_l2 is -1"),
        ({"changes": {"train.lr": 0.0}}, "train.lr is 0"),
        ({"changes": {"train.lr": float("inf")}}, "train.lr is inf"),
        ({"changes": {"train.accumulate": 3}}, "does not split into 3"),
        ({"changes": {"train.average": 1.0}}, "train.average is 1"),
        ({"changes": {"train.decay": 2.0}}, "train.decay is 2"),
        ({"changes": {"train.clip_norm": -1.0}}, "train.clip_norm is -1"),
        ({"changes": {"monitor.max_drift": 0.0}}, "monitor.max_drift is 0"),
        ({"changes": {"monitor.lr_factor": 2.0}}, "monitor.lr_factor is 2"),
        ({"file": {"system": "igebm"}}, "is for system 'igebm'"),
        ({"file": {"train": 5}}, "train is 5: it must be a section"),
        ({"file": {"chain": 5}}, "chain is 5: it must be a section"),
        ({"file": {"trian": {"lr": 1}}}, "did you mean 'train'"),
    ],
)
def test_bad_input_is_one_line(arguments, words) -> None:
    arguments = {"system": "short_run", "preset": "digits", **arguments}
    with pytest.raises(UsageError, match=words) as caught:
        resolve(arguments.pop("system"), **arguments)
    assert "\n" not in str(caught.value)


def test_literals_hold_for_configs_built_by_hand() -> None:
    from gibbsian.mcmc.settings import ChainConfig
    from gibbsian.objectives.settings import LossConfig
    from gibbsian.starts.settings import StartConfig
    from gibbsian.train.settings import MonitorConfig, TrainConfig

    for made, words in [
        (lambda: ChainConfig(clip_by="size"), "chain.clip_by 'size'"),
        (lambda: StartConfig(kind="cold"), "start.kind"),
        (lambda: LossConfig(link="log"), "loss.link"),
        (lambda: TrainConfig(precision="fp16"), "train.precision"),
        (lambda: MonitorConfig(policy="pray"), "monitor.policy"),
    ]:
        with pytest.raises(UsageError, match=words):
            made()


def test_a_run_is_built_from_its_seed() -> None:
    config = resolve("short_run", preset="digits")
    first, second = (from_run(config, (1, 8, 8)).model for _ in range(2))
    other = from_run(resolve("short_run", preset="digits", changes={"train.seed": 1}), (1, 8, 8)).model
    key = "net." + next(n for n, p in first.net.named_parameters() if p.dim() > 1)
    assert torch.equal(first.state_dict()[key], second.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    assert isinstance(config, RunConfig)


@pytest.mark.parametrize("data", ["mnist", "fashion_mnist"])
def test_vaebms_guard_tells_a_runaway_gap_from_a_healthy_one(data) -> None:
    monitor = Monitor(resolve("vaebm", data=data).monitor)
    assert all(monitor.check({"energy_gap": -19.0}) is None for _ in range(20))
    assert any(monitor.check({"energy_gap": -465.0}) for _ in range(20))


def test_notes_do_not_deny_what_the_pages_tell() -> None:
    """Every system stands in the table of MNIST, and the best of it is what is suggested."""
    page = (Path(__file__).parents[2] / "docs" / "ladders.md").read_text()
    for system in PAPERS:
        for name, recipe in presets(system).items():
            assert "not measured" not in recipe.note or f"| {system} |" not in page, (system, name)
    best = BEST["mnist"][0]
    assert f"| {best} |" in page and "best there" in presets(best)["mnist"].note
