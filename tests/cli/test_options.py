"""Command lines from signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest

from gibbsian.cli.options import Arg, Keys, Setting, options, parse
from gibbsian.core.errors import UsageError

SETTINGS = [Setting("chain.steps", "int", 60, "Steps."), Setting("sigma", "float", 0.0, "Width.")]


def settings(given: Mapping[str, Any]) -> list[Setting]:
    return SETTINGS if given.get("name") else []


def plain(
    name: Annotated[str, Arg("a name")],
    *,
    n: Annotated[int, Arg("how many", "N", "-n")] = 64,
    rate: Annotated[float | None, Arg("a rate")] = None,
    kind: Annotated[Literal["one", "two"], Arg("which")] = "one",
    dry_run: Annotated[bool, Arg("do nothing")] = False,
) -> None: ...


def gathers(
    name: Annotated[str | None, Arg("a name")] = None,
    *,
    steps: Annotated[int | None, Arg("steps")] = None,
    given: Annotated[Mapping[str, Any] | None, Keys(settings, "NAME")] = None,
) -> None: ...


def demands(*, out: Annotated[str, Arg("folder")]) -> None: ...


def test_values_are_typed():
    words = "x -n 3 --rate=1e-3 --kind two --dry-run".split()
    assert parse(plain, words) == {"name": "x", "n": 3, "rate": 1e-3, "kind": "two", "dry_run": True}


def test_what_is_not_given_is_left_to_the_function():
    assert parse(plain, ["x"]) == {"name": "x"}


def test_negative_numbers_are_values_and_underscores_are_dashes():
    assert parse(plain, ["x", "--rate", "-2", "--dry_run"]) == {"name": "x", "rate": -2.0, "dry_run": True}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "NAME is missing"),
        (["x", "y"], "'y' has no place"),
        (["x", "-n"], "-n needs a value"),
        (["x", "-n", "--rate", "1"], "-n needs a value"),
        (["x", "-n", "1.5"], "whole number"),
        (["x", "--rate", "a"], "--rate is 'a': it must be a number"),
        (["x", "--kind", "tow"], "did you mean 'two'?"),
        (["x", "--knid", "two"], "did you mean '--kind'?"),
        (["x", "--zzzz"], "see --help"),
        (["x", "-m", "3"], "unknown option '-m'"),
    ],
)
def test_errors_say_what_to_mend(words, part):
    with pytest.raises(UsageError) as caught:
        parse(plain, words)
    assert part in str(caught.value)


def test_missing_option_is_named():
    with pytest.raises(UsageError, match="--out is missing"):
        parse(demands, [])


@pytest.mark.parametrize("words", ["x --chain.steps 30 --sigma=1e-3", "--chain.steps 30 --sigma 1e-3 x"])
def test_settings_are_gathered_wherever_they_stand(words):
    assert parse(gathers, words.split()) == {"name": "x", "given": {"chain.steps": 30, "sigma": "1e-3"}}


def test_settings_are_yaml():
    words = ["x", "--chain.steps", "[1, 2]", "--sigma", "null"]
    assert parse(gathers, words)["given"] == {"chain.steps": [1, 2], "sigma": None}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("x --chain.stepz 3", "did you mean '--chain.steps'?"),
        ("x --stpes 3", "did you mean '--steps'?"),
        ("x --sigam 3", "did you mean '--sigma'?"),
        ("x --chain.steps [4", "does not parse"),
        ("--chain.steps 4", "--chain.steps needs NAME"),
    ],
)
def test_errors_of_settings(words, part):
    with pytest.raises(UsageError) as caught:
        parse(gathers, words.split())
    assert part in str(caught.value)


def test_options_follow_the_signature():
    assert [o.flag for o in options(plain)] == ["", "-n", "--rate", "--kind", "--dry-run"]
    assert [o.metavar for o in options(plain)] == ["NAME", "N", "RATE", "one|two", "DRY_RUN"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("train short_run --lr 1e-3", "--train.lr"),
        ("train --data digits --lr 1e-3", "--train.lr"),
        ("train short_run --learning-rate 1", "--train.lr"),
        ("train short_run --lr", "--train.lr"),
        ("train short_run --epochs 3", "--steps"),
        ("train short_run --batch-size 4", "--train.batch_size"),
        ("train short_run --steps-size 3", "--chain.step_size"),
        ("train short_run --step-size=3", "--chain.step_size"),
        ("train short_run --output x", "--out"),
        ("train short_run --gpu", "--device cuda"),
        ("sample RUN --cuda", "--device cuda"),
        ("sample RUN --num-samples 4", "-n"),
        ("evaluate RUN --samples 4", "-n"),
        ("train short_run --chain-steps 3", "--chain.steps"),
        ("train short_run --chain.stepz 3", "--chain.steps"),
    ],
)
def test_flags_of_other_tools_are_answered_by_ours(cli, words, meant):
    ran = cli(words)
    assert ran.code == 2 and ran.err.endswith(f"did you mean '{meant}'?\n"), ran.err


def test_the_home_folder_where_the_shell_left_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    def command(run: Annotated[str, Arg("run")], *, out: Annotated[str, Arg("folder")] = "") -> None: ...

    for words in (["~/a", "--out", "~/b"], ["~/a", "--out=~/b"], ["~/a,c", "--out", "~/b"]):
        found = parse(command, words)
        assert found["run"].startswith(f"{tmp_path}/a") and found["out"] == f"{tmp_path}/b"
