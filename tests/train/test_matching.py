"""Settings that suit a person's own data, and data that a model cannot take."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.core.errors import UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.data.dataset import from_arrays
from gibbsian.train.matching import require_match, resolved

SMALL = {"train.steps": 1, "train.batch_size": 4, "chain.steps": 1}
POINTS = np.random.default_rng(0).normal(size=(40, 2))


def test_points_of_ones_own_take_the_preset_for_points() -> None:
    config, told = resolved("igebm", None, from_arrays(POINTS.clip(-2, 2)), {})
    assert (config.preset, config.data, told) == ("toy", "arrays", [])
    assert resolved("igebm", None, from_arrays(np.zeros((9, 8, 8), np.uint8)), {})[0].preset == "images"
    assert resolved("igebm", "images", from_arrays(POINTS), {})[0].preset == "images"


def test_the_range_follows_the_numbers_unless_it_was_set() -> None:
    data = from_arrays(100 + POINTS.clip(-2, 2))
    config, told = resolved("igebm", None, data, {})
    assert config.model.pixels.low < float(data.x.min()) and config.model.pixels.high > float(data.x.max())
    assert len(told) == 1 and "values leave the preset's" in told[0]
    config, told = resolved("igebm", None, data, {"pixels.low": 0.0, "pixels.high": 200.0})
    assert (config.model.pixels.high, told) == (200.0, [])


def test_what_is_no_name_is_one_line() -> None:
    for system, words in ((torch.nn.Linear(2, 1), "a Linear"), (torch.nn.Linear, "the class Linear")):
        with pytest.raises(UsageError, match=words):
            resolved(system, None, from_arrays(POINTS), {})


def test_fields_beyond_the_range_are_refused() -> None:
    data = from_arrays(10 + np.random.default_rng(0).normal(size=(40, 2, 8, 8)))
    with pytest.raises(UsageError, match="set pixels.low to"):
        require_match(DataSpec(data.event_shape), data)


def test_fit_trains_on_arrays_and_tells_what_it_decided(capsys) -> None:
    small = {k.replace(".", "__"): v for k, v in SMALL.items()}
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.from_numpy(POINTS * 9)))
    model = gb.fit("igebm", loader, **small)
    told = capsys.readouterr().err
    assert "of the DataLoader only its data set" in told and "values leave the preset's" in told
    assert gb.sample(model, 3, steps=1).x.shape == (3, 2)
    gb.fit("igebm", POINTS * 9, progress=False, **small)
    assert capsys.readouterr().err == ""


def test_classes_follow_the_labels_where_the_model_has_any() -> None:
    data = from_arrays(np.zeros((9, 8, 8), np.uint8), np.arange(9) % 3)
    config, told = resolved("jem", None, data, {})
    assert config.model.net.classes == 3 and told == ["net.classes is 3, from the labels: 0, 1, 2"]
    assert resolved("jem", None, data, {"net.classes": 5})[0].model.net.classes == 5
    assert resolved("igebm", None, data, {})[0].model.net.classes == 0
    given = {"net.classes": 3}
    assert resolved("igebm", None, data, given)[0].model.net.classes == 3


IMAGES_3 = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        (IMAGES_3, {}, "has no labels, which this model learns: give some"),
        (IMAGES_3, {"net__classes": 4}, "has no labels, which this model learns"),
        ((IMAGES_3, np.arange(24) % 3), {"net__classes": 4}, "net.classes is 4, but arrays has 3: set"),
        ((IMAGES_3, np.arange(24) % 3), {"net__classes": 2}, "net.classes is 2, but arrays has 3: set"),
        ((IMAGES_3, np.full(24, 5)), {}, "has one class, 5, and jem tells two or more apart"),
        ((IMAGES_3, np.array(["cat"] * 24)), {}, "has one class, cat"),
        ((POINTS, None), {}, "has no labels, which this model learns"),
    ],
)
@pytest.mark.parametrize("net", [None, torch.nn.LazyLinear(3)])
def test_data_that_a_classifier_cannot_learn_are_one_line(data, changes, words, net) -> None:
    data = data[0] if isinstance(data, tuple) and data[1] is None else data
    changes = changes if net is None else {**changes, "net": net}
    with pytest.raises(UsageError, match=words):
        gb.fit("jem", data, steps=1, progress=False, **changes)


@pytest.mark.parametrize("labels", [[3, 7, 9], [1, 2, 3], [0.0, 1.0, 2.0], ["ant", "bee", "cat"]])
def test_a_classifier_takes_its_classes_from_any_labels(labels, capsys) -> None:
    y = np.array(labels)[np.arange(24) % 3]
    small = {k.replace(".", "__"): v for k, v in SMALL.items()}
    model = gb.fit("jem", (IMAGES_3, y), **small)
    assert model.spec.num_classes == 3
    assert f"net.classes is 3, from the labels: {', '.join(map(str, y[:3].tolist()))}".split(".0")[0] in (
        capsys.readouterr().err
    )


def test_a_network_of_ones_own_is_trained_saved_and_loaded(tmp_path) -> None:

    x, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8), np.arange(60) % 3
    small = {k.replace(".", "__"): v for k, v in SMALL.items()}
    for paper, data, outputs in (("short_run", x, 1), ("igebm", x, 1), ("jem", (x, y), 3)):
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.SiLU(), nn.Linear(16, outputs))
        before = net[1].weight.detach().clone()
        model = gb.fit(paper, data, net=net, progress=False, **small)
        assert not torch.equal(net[1].weight, before), "the instance itself is trained"
        model.save(tmp_path / paper)
        fresh = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.SiLU(), nn.Linear(16, outputs))
        again = gb.load(tmp_path / paper, net=fresh)
        batch = torch.rand(5, 1, 8, 8, generator=gb.generator(0))
        torch.testing.assert_close(again.energy(batch), model.energy(batch))
        assert again.sample(4, steps=1).picture().width > 8


IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
LABELS = np.arange(60) % 3


def flat(*layers: torch.nn.Module, outputs: int = 1) -> torch.nn.Sequential:

    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), *(layers or (nn.SiLU(),)), nn.Linear(16, outputs))


def fit(paper: str, data, net: object, **changes: object) -> gb.EnergyModel:
    return gb.fit(paper, data, net=net, progress=False, steps=1, train__batch_size=4, **changes)


nn = torch.nn
SLICED = {"matching__levels": 1, "jump": False, "matching__method": "sliced"}
EXACT = {**SLICED, "matching__method": "exact"}
REFUSED = [
    ("icd", IMAGES, lambda: flat(nn.ReLU()), "kinks of ReLU \\('2'\\).*nn.SiLU", {}),
    ("energy_matching", IMAGES, lambda: flat(nn.LeakyReLU()), "kinks of LeakyReLU", {}),
    (
        "score_matching",
        IMAGES,
        lambda: flat(nn.PReLU()),
        "kinks of PReLU",
        SLICED,
    ),
    (
        "score_matching",
        IMAGES,
        lambda: flat(nn.Hardtanh()),
        "kinks of Hard",
        EXACT,
    ),
    ("drl", IMAGES, flat, r"give a net\(x, level\) that returns \(B,\), level being \(B,\) of int64", {}),
    ("jem", (IMAGES, LABELS), flat, r"returns \(B, 1\): .* returns logits, \(B, 3\)", {}),
    ("igebm", (IMAGES, LABELS), flat, r"net\(x, y\) .*\(B, 3\), -E of each", {"net__classes": 3}),
    ("cebm", IMAGES, flat, r"returns \(B, 1\): .* \(B, 8\), two .* latent=4", {"latent": 4}),
    ("cebm", IMAGES, lambda: nn.Flatten, "the class Flatten", {}),
    ("icd", IMAGES, lambda: nn.Flatten, "the class Flatten", {}),
    ("short_run", IMAGES, lambda: flat().double(), "torch.float64, and networks are float32: call", {}),
    ("cebm", IMAGES, lambda: flat(outputs=8).half(), "torch.float16, and", {"latent": 4}),
    ("igebm", IMAGES, lambda: flat().requires_grad_(False), "no weight of this network is trainable", {}),
]


@pytest.mark.parametrize(("paper", "data", "net", "words", "changes"), REFUSED)
def test_a_network_that_a_paper_cannot_train_is_one_line(paper, data, net, words, changes) -> None:
    with pytest.raises(UsageError, match=words) as error:
        fit(paper, data, net(), **changes)
    assert "\n" not in str(error.value)


def test_networks_of_many_outputs_and_lazy_ones_are_taken() -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(16), nn.SiLU(), nn.LazyLinear(8))
    assert fit("cebm", IMAGES, lazy, latent=4).sample(2, steps=1).x.shape == (2, 1, 8, 8)
    assert fit("igebm", (IMAGES, LABELS), flat(outputs=3), net__classes=3).spec.num_classes == 3
    kinked = flat(nn.ReLU())
    assert isinstance(fit("icd", IMAGES, kinked, kl_weight=0.0, entropy_weight=0.0), gb.EnergyModel)
    assert isinstance(fit("score_matching", IMAGES, flat(nn.ReLU())), gb.EnergyModel)


@pytest.mark.parametrize(
    ("paper", "body", "words"),
    [
        ("jem", "nn.Flatten(), nn.Linear(64, 10)", ""),
        ("cebm", "nn.Flatten(), nn.Linear(64, 32)", ""),
        ("drl", "nn.Flatten(), nn.Linear(64, 1)", "give a net(x, level)"),
        ("jem", "nn.Flatten(), nn.Linear(64, 1)", "returns logits, (B, 10)"),
        ("igebm", "nn.Flatten(), 3", "failed as Mine(): "),
    ],
)
def test_a_network_file_is_judged_as_one_given(paper, body, words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from torch import nn\nclass Mine(nn.Sequential):\n"
        f"    def __init__(self, width=3, depth=2):\n        super().__init__({body})\n"
    )
    small = ["--steps", "1", "--train.batch_size", "4", "--out", "run", "--latent", "16"]
    small = small if paper == "cebm" else small[:-2]
    code = main(["train", paper, "--data", "digits", "--net", "own.py:Mine", *small])
    told = capsys.readouterr().err
    assert (code == 2 and words in told) if words else code == 0, told


def test_a_stored_instance_that_has_no_name_of_its_own_asks_for_net(tmp_path) -> None:
    class Inside(nn.Sequential):
        pass

    for run, net in ((tmp_path / "torch", flat()), (tmp_path / "inside", Inside(*flat()))):
        fit("short_run", IMAGES, net, out=run)
        for trust in (False, True):
            with pytest.raises(UsageError, match="pass net= with the same network$"):
                gb.load(run, trust=trust)
        assert isinstance(gb.load(run, net=flat()), gb.EnergyModel)


@pytest.mark.parametrize("paper", ["icd", "energy_matching"])
def test_the_activation_of_settings_says_nothing_of_a_network_of_ones_own(paper) -> None:
    assert isinstance(fit(paper, IMAGES, flat()), gb.EnergyModel)


@pytest.mark.parametrize(
    ("scale", "told"),
    [([1, 2], 0), ([0, 1], 0), ([1, 100], 1), ([200, 200], 1), ([1, 1e5], 2), ([1e-5, 1e-5], 2)],
)
def test_columns_of_other_units_are_told_of_and_hopeless_ones_refused(scale, told) -> None:
    data = from_arrays(POINTS * scale)
    spec = DataSpec(data.event_shape)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if told == 2:
            with pytest.raises(UsageError, match="let gb.dataset standardise them"):
                require_match(spec, data)
        else:
            require_match(spec, data)
    assert len(said) == (told == 1)
