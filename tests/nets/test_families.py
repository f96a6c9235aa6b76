"""The register of families: others join, by hand or installed; files may not name code of their own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import pytest
import torch
from torch import nn

from gibbsian.core.config import from_dict, override, to_dict
from gibbsian.core.errors import UsageError
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.nets import families
from gibbsian.nets.build import build
from gibbsian.nets.families import FAMILIES, AnyNet, CustomNetConfig, Family, family, register_net, trusted
from gibbsian.nets.settings import ConvConfig, LevelsConfig, MLPConfig, WideConfig
from gibbsian.train.recipes import resolve


@dataclass(frozen=True, kw_only=True)
class BowlConfig(AnyNet):
    name: Literal["bowl"] = "bowl"
    depth: float = 2.0
    """How deep."""


class Bowl(nn.Module):
    def __init__(self, event_shape, config):
        super().__init__()
        self.depth = config.depth

    def forward(self, x):
        return self.depth * x.flatten(1).square().sum(1)


@pytest.fixture(autouse=True)
def clean():
    before = dict(FAMILIES)
    yield
    FAMILIES.clear()
    FAMILIES.update(before)


def check_bowl():
    config = override(IGEBMConfig(), {"net.name": "bowl", "net.depth": 3})
    assert config.net == BowlConfig(depth=3.0) and from_dict(IGEBMConfig, to_dict(config)) == config
    assert build(config.net, (2,))(torch.ones(1, 2)).item() == 6.0
    assert trusted(config) is config


def test_a_family_joins_by_hand():
    register_net("bowl", BowlConfig, Bowl)
    check_bowl()
    register_net("bowl", BowlConfig, Bowl)  # again, as where a cell of a notebook runs twice
    with pytest.raises(UsageError, match="'net.hidden' is no setting of 'bowl', but of mlp"):
        override(IGEBMConfig(), {"net.name": "bowl", "net.hidden": [3]})


def test_a_family_joins_by_installation(monkeypatch):
    made = metadata.EntryPoint("bowl", f"{__name__}:FAMILY", families.GROUP)
    wrong = metadata.EntryPoint("wrong", f"{__name__}:Bowl", families.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [made, wrong])
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda self: FAMILY if self.name == "bowl" else Bowl)
    check_bowl()
    with pytest.raises(UsageError, match="it is not a Family"):
        family("wrong")
    with pytest.raises(UsageError, match="unknown network 'wrogn': did you mean 'wrong'"):
        family("wrogn")


FAMILY = Family(BowlConfig, Bowl)


@pytest.mark.parametrize("name", ["mlp", "a:b"])
def test_names_are_free_words(name):
    with pytest.raises(UsageError, match="cannot join: the name is one of this package's, or has a colon"):
        register_net(name, BowlConfig, Bowl)


def test_settings_derive_from_any_net():
    with pytest.raises(UsageError, match="must be a dataclass derived from AnyNet"):
        register_net("bowl", Bowl, Bowl)  # type: ignore[arg-type]


def test_networks_of_files_are_registered_or_trusted():
    config = resolve("igebm", changes={"net.name": "os:system"})
    with pytest.raises(UsageError, match="code of their own, network 'os:system'.*--net os:system") as caught:
        trusted(config)
    assert "\n" not in str(caught.value) and trusted(config, allow=True) is config
    assert trusted(resolve("igebm")).model.net.name == "mlp"


def test_every_family_has_classes_and_a_head():
    for name, found in FAMILIES.items():
        net = found.config()
        assert (net.name, net.classes, net.head) == (name, 0, "scalar")


def test_what_families_refuse():
    for make, words in [
        (lambda: LevelsConfig(classes=3, head="logits"), "unknown head 'logits'"),
        (lambda: WideConfig(strides=(1, 2, 1, 1)), "strides has 4 entries for 3 layers"),
        (lambda: ConvConfig(paddings=(-1,)), "paddings is"),
        (lambda: MLPConfig(hidden=(0,)), "hidden is"),
        (lambda: MLPConfig(negative_slope=-0.1), "negative_slope is -0.1"),
        (lambda: CustomNetConfig(name="own:"), "network 'own:' names no class"),
        (lambda: CustomNetConfig(name="a:B", classes=-1), "classes is -1"),
    ]:
        with pytest.raises(UsageError, match=words):
            make()


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("./mine.py:Small", "/elsewhere/mine.py:Small"),
        ("mine:Small", "../mine.py:Small"),
        ("a b/mine.py:Small", "mine:Small"),
        ("pkg.sub.mine:Small", "pkg/sub/mine.py:Small"),
    ],
)
def test_a_class_that_is_named_from_another_folder_stands_for_it(monkeypatch, stored, named):
    monkeypatch.setattr("gibbsian.core.found._TRUSTED", {named})
    config = IGEBMConfig(net=CustomNetConfig(name=stored))
    assert trusted(config).net.name == named
    for other in (stored.replace("Small", "Large"), stored.replace("mine", "theirs")):
        with pytest.raises(UsageError, match="code of their own"):
            trusted(IGEBMConfig(net=CustomNetConfig(name=other)))
