"""The mutation test itself: its lists apply, its operators do what they say, a wrong line is killed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.mutate.draw import areas, drawn
from scripts.mutate.lists import EQUIVALENT, SURVIVORS, kept, read
from scripts.mutate.mutation import SOURCE, TESTS, Mutation
from scripts.mutate.operators import changes
from scripts.mutate.results import Result, Store, Summary, digest

ROOT = Path(__file__).parents[1]


def test_every_kept_mutation_applies() -> None:
    """Its old text is found once (or reading fails), what it makes is Python, and its tests are there."""
    found = kept(ROOT)
    for mutation in found:
        assert mutation.before != mutation.after and mutation.why, mutation
        assert mutation.tests and all((ROOT / TESTS / name).is_file() for name in mutation.tests), mutation
        ast.parse(mutation.applied((ROOT / SOURCE / mutation.file).read_text()))
    assert len({m.key for m in found}) == len(found) >= 100
    assert {m.area for m in found} == set(areas(ROOT))


@pytest.mark.parametrize("path", [EQUIVALENT, SURVIVORS], ids=["equivalent", "survivors"])
def test_reasons_are_of_lines_that_are_there(path: Path) -> None:
    assert all(m.why and m.before != m.after for m in read(path, ROOT))


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("a = b - c", {"a = b + c"}),
        ("a = -b", {"a = b"}),
        ("a = x[0]", {"a = x[-1]", "a = x[1]"}),
        ("a = 3", {"a = 4"}),
        ("a = 0.5", {"a = 1.0"}),
        ("a = True", {"a = False"}),
        ("a = b < c", {"a = b <= c", "a = b >= c"}),
        ("a = b and c", {"a = b or c"}),
        ("a = b if c else d", {"a = b if not (c) else d"}),
        ("a = max(b)", {"a = min(b)"}),
        ("a = b.clamp(min=c)", {"a = b.clamp(max=c)"}),
        ("a = b.detach()", {"a = b"}),
        ("a = b.sum(c)", {"a = b.mean(c)"}),
        ("a = f(b, c)", {"a = f(c, b)"}),
        ("a += b", {"a -= b"}),
        ("f(a)", {"pass"}),
        ("if a: b = c", {"if not (a): b = c"}),
    ],
)
def test_operators(line: str, made: set[str]) -> None:
    assert {change.applied(line) for change in changes(line)} == made


@pytest.mark.parametrize(
    "line",
    [
        '"""A docstring."""',
        "raise UsageError(f'{a + 1}')",
        "a = warn(b + 1)",
        "x: Literal[1, 2]",
        "assert a < b",
        "def f(a) -> str: return a + 1",
        "if TYPE_CHECKING: a = 1",
        "a = f'{b + 1}'",
    ],
)
def test_words_for_people_are_left_alone(line: str) -> None:
    assert changes(line) == []


TOY = """def add(a, b):
    return a + b


def unseen(a):
    return -a


def down(n):
    while n > 0:
        n -= 1
    return n
"""
CHECKS = """from gibbsian.area.toy import add, down


def test_add():
    assert add(2, 3) == 5


def test_down():
    assert down(3) == 0
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A tree of one file with its tests."""
    for name, text in ((SOURCE / "area" / "toy.py", TOY), (TESTS / "area" / "test_toy.py", CHECKS)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    for folder in (SOURCE, SOURCE / "area"):
        (tmp_path / folder / "__init__.py").touch()
    return tmp_path


def test_draws_are_those_of_the_seed(toy: Path) -> None:
    first, again, other = (drawn(toy, 4, seed) for seed in (0, 0, 1))
    assert first == again != other and len({m.line for m in first}) == 4
    assert {m.function for m in first} <= {"add", "unseen", "down"}


RUN = """
from pathlib import Path
from scripts.mutate.mutation import Mutation
from scripts.mutate.results import Store
from scripts.mutate.run import Attempts

file = "area/toy.py"
mutations = [
    Mutation(file, 2, "return a + b", "return a - b", "add"),
    Mutation(file, 6, "return -a", "return a", "unseen"),
    Mutation(file, 11, "n -= 1", "n += 1", "down"),
]
store = Store(Path("results.jsonl"), "tree")
tell = lambda mutation, result: None
Attempts(Path("."), store, 2, tell, warm=["pytest"]).run(mutations, 2)
print(*(store.held[m.key].outcome for m in mutations), store.held[mutations[0].key].by, sep=", ")
"""


def test_a_wrong_line_is_killed_in_a_copy(toy: Path) -> None:
    before = digest(toy)
    found = subprocess.run(
        [sys.executable, "-c", RUN], cwd=toy, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert found.stdout == "killed, survived, timed out, area/test_toy.py\n", found.stderr
    assert digest(toy) == before


def test_a_run_goes_on_with_the_results_of_the_same_tree(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for key, outcome in (("a", "killed"), ("b", "survived")):
        Store(path, "old").add(Result(key, outcome))
    assert set(Store(path, "old").held) == {"a", "b"}
    assert set(Store(path, "new").held) == set()
    assert set(Store(path, "new", trust_kills=True).held) == {"a"}


def test_the_share_leaves_out_what_changes_nothing() -> None:
    ends = ["killed", "timed out", "survived", "equivalent", "killed"]
    one = Mutation("area/toy.py", 1, "a", "b")
    summary = Summary([(one, Result("", end, why="a reason")) for end in ends])
    assert summary.share == 3 / 4
    assert "75.0% killed" in summary.table() and "survived area/toy.py:1" in summary.table()
    assert json.loads(json.dumps(summary.record()))["timed_out"] == 1
