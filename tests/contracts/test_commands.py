"""What every command keeps: help, a place in the docs, one JSON object, one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gibbsian.cli.help import command_help
from gibbsian.cli.main import COMMANDS, command, main
from gibbsian.cli.options import gathering, options
from gibbsian.cli.result import Result
from scripts.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
every = pytest.mark.parametrize("name", COMMANDS)


@every
def test_help_names_every_option(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: gibbsian {name}") and COMMANDS[name][1]
    for option in options(command(name)):
        assert (option.flag or option.metavar) in text and option.help
    assert max(map(len, text.splitlines())) <= 110


@every
def test_a_command_is_a_function_of_plain_values(name):
    function = command(name)
    assert function.__doc__ and function.__annotations__["return"] in ("Result", Result)
    allowed = {str, int, float, bool}
    assert {o.kind for o in options(function)} <= allowed


@every
def test_the_page_in_the_docs_has_it(name):
    assert command_help(f"gibbsian {name}", command(name), {}) in PAGE.read_text()


def test_the_page_in_the_docs_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m scripts.reference > docs/cli.md"


@every
@pytest.mark.parametrize("words", [["--help"], ["--no-such-option"], ["--jsn"]])
def test_stdout_is_one_json_object(name, words, capsys):
    code = main([*name.split(), *words, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ("help" in told) if code == 0 else (told["exit_code"] == code == 2 and told["error"])


@every
def test_a_wrong_option_is_one_line_with_the_nearest(name, capsys):
    flags = [o.flag for o in options(command(name)) if o.flag.startswith("--")] or ["--help"]
    wrong = flags[0][:-1] + "zz" if len(flags[0]) < 6 else flags[0][:-1]
    code = main([*name.split(), *(["short_run"] if gathering(command(name)) else []), wrong, "x"])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1) and f"unknown option '{wrong}'" in err
