"""Dispatch, exit codes, purity of stdout, speed of help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gibbsian import __version__
from gibbsian.cli import main as door
from gibbsian.cli.result import Result
from gibbsian.core.errors import DataError, DivergedError, Interrupted, UsageError
from gibbsian.core.found import imported

PYTHON = [sys.executable, "-m", "gibbsian"]


def raising(error: BaseException):
    def command(name: str):
        def function() -> Result:
            raise error

        return function

    return command


@pytest.mark.parametrize("words", ["", "--help", "-h", "help"])
def test_overview_names_every_command(cli, words):
    ran = cli(words)
    assert ran.code == 0 and ran.err == ""
    for name in door.COMMANDS:
        assert f"\n  {name} " in ran.out


def test_topics_of_a_command_are_listed(cli):
    for words in ("study", "study --help"):
        ran = cli(words)
        assert ran.code == 0 and "study modes" in ran.out and "evaluate" not in ran.out


def test_version(cli):
    assert cli("--version").out.strip() == __version__
    assert cli("--version --json").json == {"version": __version__}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2), (DataError("x"), 1), (DivergedError("x"), 4), (Interrupted("x"), 130),
        (KeyboardInterrupt(), 130), (MemoryError(), 1), (RuntimeError("boom"), 3),
    ],
)  # fmt: skip
def test_exit_codes(cli, monkeypatch, error, code):
    monkeypatch.setattr(door, "command", raising(error))
    ran = cli("list")
    assert ran.code == code and ran.out == ""
    assert ran.err.startswith("gibbsian: ") and ran.err.count("\n") == 1


def test_failure_is_one_json_object(cli, monkeypatch):
    monkeypatch.setattr(door, "command", raising(UsageError("what:\n  why")))
    assert cli("list --json").json == {"error": "what: why", "exit_code": 2}


def test_unexpected_error_leaves_a_log(cli, monkeypatch, tmp_path):
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(door, "command", raising(RuntimeError("boom")))
    ran = cli("list")
    (log,) = tmp_path.iterdir()
    assert str(log) in ran.err
    text = log.read_text()
    assert __version__ in text and "Traceback" in text and "boom" in text and "gibbsian list" in text


def test_an_error_in_code_of_a_persons_own_says_its_line(cli, monkeypatch, tmp_path):
    (tmp_path / "my_net.py").write_text("def forward(name):\n    return {}[name]\n")
    monkeypatch.setattr(door, "command", imported(f"{tmp_path}/my_net.py:forward", "network"))
    assert "unexpected KeyError at my_net.py:2 in forward: " in cli("list").err


def test_unknown_command_names_the_nearest(cli):
    ran = cli("trian")
    assert ran.code == 2 and "did you mean 'train'?" in ran.err


def test_command_line_runs_as_a_module():
    done = subprocess.run([*PYTHON, "list", "kernels", "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith('{"kernels"') and done.stderr == ""


def test_reader_that_stops_early_is_no_error():
    with subprocess.Popen([*PYTHON, "train", "igebm", "--help"], stdout=-1, stderr=-1) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_no_help_imports_torch(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom gibbsian.cli.main import COMMANDS, main\n"
        "for name in COMMANDS: assert main([*name.split(), '--help']) == 0\n"
        "for what in 'systems', 'presets', 'data', 'kernels': assert main(['list', what]) == 0\n"
        "assert main(['train', 'igebm', '--preset', 'cifar10', '--help']) == 0\n"
        "assert main(['cite', 'igebm']) == 0\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, str(script)], check=True, stdout=-1, timeout=60)


@pytest.mark.parametrize("name", ["", *door.COMMANDS])
def test_help_takes_under_400_ms(name):
    assert any(_seconds([*PYTHON, *name.split(), "--help"]) < 0.4 for _ in range(5))


def _seconds(words: list[str]) -> float:
    """Processor time, which other work on the machine does not lengthen."""
    before = os.times()
    subprocess.run(words, check=True, stdout=-1, timeout=60)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_no_module_of_the_package_imports_torch_at_its_top_before_parsing():
    source = Path(door.__file__).parent
    torch_free = ["main", "options", "help", "settings", "result", "lists", "kernels", "runs", "diagnose"]
    for name in [*torch_free, "train", "sample", "evaluate", "export", "doctor"]:
        top = [
            line
            for line in (source / f"{name}.py").read_text().splitlines()
            if line.startswith(("import", "from"))
        ]
        assert not any("torch" in line or "numpy" in line for line in top), name
