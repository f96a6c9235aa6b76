"""Files of presets: inheritance, exact numbers, and one clear line for what is wrong in them."""

from __future__ import annotations

import pytest

from gibbsian.core.config import to_dict
from gibbsian.core.errors import UsageError
from gibbsian.models.papers import PAPERS, PaperEntry, entry
from gibbsian.models.presets import merged, read
from gibbsian.models.short_run.config import ShortRunConfig
from gibbsian.train.recipes import Recipes
from gibbsian.train.settings import MonitorConfig, TrainConfig


def recipes(presets):
    return dict(Recipes(PaperEntry("some.yaml", ShortRunConfig, "nowhere:build", presets)))


@pytest.mark.parametrize("system", PAPERS)
def test_every_preset_says_what_differs(system):
    """No preset repeats what it inherits, from its parent or from the defaults of its class."""
    file, config = entry(system).file(), entry(system).config_class()()
    base = to_dict(config) | {"train": to_dict(TrainConfig()), "monitor": to_dict(MonitorConfig())}
    for name, own in file.presets.items():
        parent = file.inherited(own["extends"]) if "extends" in own else base
        for key, value in own.items():
            if isinstance(value, dict) and isinstance(parent.get(key), dict) and "name" not in value:
                assert all(parent[key].get(k, ...) != v for k, v in value.items()), (name, key)
            elif key not in ("data", "extends"):
                assert parent.get(key, ...) != value, (name, key)


def test_numbers_survive_in_every_spelling(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "presets: {a: {train: {lr: 1e-4, steps: 20_000}, chain: {step_size: 4.0e-6, noise: 2}}}"
    )
    found = Recipes(PaperEntry("a", ShortRunConfig, "nowhere:build", tmp_path / "a.yaml"))["a"]
    assert (found.train.lr, found.train.steps) == (1e-4, 20_000)
    assert (found.model.chain.step_size, found.model.chain.noise) == (4e-6, 2.0)


def test_a_preset_extends_another():
    found = recipes(
        {
            "a": {"note": "of a", "net": {"name": "mlp", "hidden": [7], "activation": "swish"}},
            "b": {"extends": "a", "data": "mnist", "net": {"hidden": [9]}},
            "c": {
                "extends": "b",
                "net": {"name": "conv", "channels": [4], "strides": [1]},
                "train": {"steps": 5},
            },
        }
    )
    assert (found["b"].note, found["b"].data) == ("of a", "mnist")
    assert (found["b"].model.net.hidden, found["b"].model.net.activation) == ((9,), "swish")
    assert found["c"].model.net.activation == "leaky_relu", "another network inherits nothing"
    assert (found["c"].data, found["c"].train.steps) == ("mnist", 5)


def test_sections_merge_and_values_replace():
    assert merged({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": None}) == {
        "a": {"x": 1, "y": 3},
        "b": None,
    }


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ({"chian": {"steps": 1}}, "unknown key 'chian': did you mean 'chain'"),
        ({"chain": {"stpes": 1}}, "unknown key 'chain.stpes': did you mean 'steps'"),
        ({"chain": 3}, "chain is 3: it must be a section"),
        ({"train": {"stpes": 1}}, "unknown key 'stpes': did you mean 'steps'"),
        ({"train": 3}, "train is 3: it must be a section"),
        ({"chain": {"steps": 0}}, "chain.steps is 0"),
        ({"extends": "b"}, "unknown preset in 'extends' 'b'"),
        ({"extends": "a"}, "extends goes in a circle: a -> a"),
        (3, "it is 3: it must be a section"),
    ],
)
def test_errors_name_the_file_and_the_preset(preset, words):
    with pytest.raises(UsageError) as caught:
        recipes({"a": preset})
    assert str(caught.value).startswith("some.yaml, preset 'a': ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("preset: {}", "unknown key in bad.yaml 'preset': did you mean 'presets'"),
        ("presets: {a: [}", "bad.yaml cannot be read"),
        ("[1]", "bad.yaml is \\[1\\]: it must be a section"),
        ("papers: [{kay: 1}]", "unknown key 'bad.yaml: papers.kay': did you mean 'key'"),
    ],
)
def test_bad_files_are_one_line(tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        read(tmp_path / "bad.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="none.yaml cannot be read"):
        read(tmp_path / "none.yaml")
