"""The architecture, parsed: floors, one place for each thing, no hidden randomness, documented names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "gibbsian"
FILES = sorted(p for p in ROOT.rglob("*.py"))
# recipes holds the settings of systems, torch-free, made of those of the floors below.
FLOORS = {
    "core": 1,
    "nets": 2,
    "noise": 2,
    "data": 2,
    "energies": 3,
    "mcmc": 4,
    "starts": 4,
    "objectives": 4,
    "metrics": 4,
    "recipes": 4.5,
    "systems": 5,
    "train": 6,
    "tasks": 7,
    "app": 8,
    "cli": 9,
}
LONGEST = 250
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "lib"}
GLOBAL_DRAWS = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "rand_like",
    "randn_like",
    "randint_like",
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
    "seed",
    "manual_seed",
    "uniform_",
    "normal_",
    "random_",
    "bernoulli_",
    "exponential_",
    "log_normal_",
    "cauchy_",
    "geometric_",
    "trunc_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "xavier_uniform_",
    "xavier_normal_",
    "orthogonal_",
    "dropout",
}
# Initialisation draws from torch's global stream, which `core.random.seeded_init` forks and seeds around it.
INITIALISERS = {"nets"}
# Explicitly seeded or handled: the door itself.
SEEDED = {"core/random.py"}
TORCH_FREE = (
    "gibbsian",
    "gibbsian.cli.main",
    "gibbsian.core.config",
    "gibbsian.core.errors",
    "gibbsian.data.names",
)

each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def package(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else ""


def module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, nodes: Iterator[ast.AST] | None = None) -> Iterator[str]:
    """Full names of the gibbsian modules that a file imports."""
    base = list(path.relative_to(ROOT.parent).parts[:-1])
    for node in nodes or ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "gibbsian")
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - node.level + 1] if node.level else []
            name = ".".join([*start, *([node.module] if node.module else [])])
            if name.split(".")[0] == "gibbsian":
                yield name
                yield from (f"{name}.{a.name}" for a in node.names)


def top_level(path: Path) -> Iterator[ast.AST]:
    """Statements that run on import: not those inside functions or `if TYPE_CHECKING`."""
    for node in tree(path).body:
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node


def calls(path: Path) -> Iterator[ast.Call]:
    return (n for n in ast.walk(tree(path)) if isinstance(n, ast.Call))


def last_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_every_package_has_a_floor() -> None:
    found = {p.name for p in ROOT.iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert found <= set(FLOORS), f"give {found - set(FLOORS)} a floor"


@each_file
def test_imports_go_down(path: Path) -> None:
    own = package(path)
    for name in imported(path):
        parts = name.split(".")
        other = parts[1] if len(parts) > 1 else ""
        if own and other in FLOORS and other != own:
            assert FLOORS[other] < FLOORS[own], (
                f"{own} (floor {FLOORS[own]}) imports {name} (floor {FLOORS[other]})"
            )


def test_no_cycles() -> None:
    names = {module(p): p for p in FILES}
    graph = {
        name: {i for i in imported(path, top_level(path)) if i in names and i != name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_one_place_differentiates_by_position() -> None:
    found = {
        str(p.relative_to(ROOT))
        for p in FILES
        for c in calls(p)
        if ast.unparse(c.func).endswith("autograd.grad")
    }
    assert found == {"core/energy.py"}
    assert not [p for p in FILES if "create_graph" in p.read_text() and p.name != "energy.py"]


def test_one_place_calls_backward() -> None:
    found = {str(p.relative_to(ROOT)) for p in FILES for c in calls(p) if last_name(c) == "backward"}
    # the classifiers that measure samples and variational fits are no systems, the self-check differentiates
    # one number, and the benchmark writes out how other libraries train
    exempt = {"tasks/features.py", "tasks/approximate.py", "cli/selfcheck.py", "tasks/bench/peers.py"}
    exempt |= {"tasks/attack/baselines.py", "tasks/ood/baselines.py"}
    assert found - exempt == {"train/update.py"}


@each_file
def test_nothing_hides_what_went_wrong(path: Path) -> None:
    for call in calls(path):
        assert last_name(call) not in ("nan_to_num", "nan_to_num_", "hasattr"), f"line {call.lineno}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
    loads = [c for c in calls(path) if ast.unparse(c.func) in ("torch.load", "pickle.load", "pickle.loads")]
    assert not loads, "checkpoints are safetensors and JSON"


@each_file
def test_no_draw_from_a_global_stream(path: Path) -> None:
    if str(path.relative_to(ROOT)) in SEEDED or package(path) in INITIALISERS:
        return
    for call in calls(path):
        name, keywords = last_name(call), {k.arg for k in call.keywords}
        text = ast.unparse(call.func)
        if text.startswith(("np.random.", "numpy.random.", "random.")) and "(" not in text:
            assert name in ("RandomState", "default_rng", "Random"), f"line {call.lineno}: {text}"
        if "(" in text or not (text.startswith(("torch.", "nn.", "F.")) or name.endswith("_")):
            continue
        if name in GLOBAL_DRAWS:
            assert "generator" in keywords, f"line {call.lineno}: {text} without generator="


def test_initialisers_draw_only_where_modules_are_built() -> None:
    """In nets/, a forward pass never draws from the global stream."""
    for path in (p for p in FILES if package(p) in INITIALISERS):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name == "forward":
                for call in (c for c in ast.walk(node) if isinstance(c, ast.Call)):
                    if last_name(call) in GLOBAL_DRAWS and ast.unparse(call.func).startswith(
                        ("torch.", "F.")
                    ):
                        assert "generator" in {k.arg for k in call.keywords}, f"{path.name}:{call.lineno}"


@each_file
def test_files_are_short_or_say_why(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES, "name the file after what it holds"
    length = len(path.read_text().splitlines())
    if length > LONGEST:
        doc = (ast.get_docstring(tree(path)) or "").lower()
        assert "long" in doc, f"{length} lines: say in the docstring why it is longer than {LONGEST}"


def methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {n.name: n for p in FILES for n in tree(p).body if isinstance(n, ast.ClassDef)}


def documented(node: ast.ClassDef) -> set[str]:
    """Names of methods that this class or one above it documents; torch documents its own."""
    above = [classes()[b.id] for b in node.bases if isinstance(b, ast.Name) and b.id in classes()]
    own = {m.name for m in methods(node) if ast.get_docstring(m)}
    return own.union({"forward", "extra_repr"}, *map(documented, above))


@each_file
def test_public_names_are_documented(path: Path) -> None:
    """Modules, functions, classes, and methods, unless a class above documents them."""
    if not path.read_text().strip():
        return
    assert ast.get_docstring(tree(path)), "the module has no docstring"
    for node in tree(path).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bare = [m.name for m in methods(node) if m.name not in documented(node)]
            assert not bare, f"{node.name}.{bare[0]} has no docstring"


def test_help_and_lists_never_import_torch() -> None:
    settings = [module(p) for p in FILES if p.name in ("settings.py", "families.py") and package(p) != "cli"]
    recipes = [*settings, *(module(p) for p in FILES if package(p) == "recipes")]
    wanted = [
        m
        for m in (*TORCH_FREE, *recipes)
        if (ROOT.parent / m.replace(".", "/")).with_suffix(".py").exists()
        or (ROOT.parent / m.replace(".", "/") / "__init__.py").exists()
    ]
    load = f"import importlib, sys; [importlib.import_module(m) for m in {wanted!r}]"
    code = f"{load}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_systems_meet_only_in_systems() -> None:
    """Objectives do not know samplers, samplers do not know objectives."""
    for path in FILES:
        if package(path) in ("mcmc", "objectives"):
            text = {n.split(".")[1] for n in imported(path) if n.count(".")}
            assert not text & ({"mcmc", "objectives"} - {package(path)}), path.name


def test_words_of_other_schools_are_not_ours() -> None:
    """Names: `_pos` and `_neg`, never `neg_x`, `fake` or `real` for the two phases."""
    banned = {"neg_x", "pos_x", "x_fake", "x_real", "fake_x", "real_x", "fake", "netD", "netG"}
    for path in FILES:
        names = {n.id for n in ast.walk(tree(path)) if isinstance(n, ast.Name)}
        names |= {a.arg for n in ast.walk(tree(path)) if isinstance(n, ast.arguments) for a in n.args}
        assert not names & banned, f"{path}: {names & banned}"


def test_tests_mirror_the_source() -> None:
    """Each test folder is a package of the source, or one of the kinds that cut across."""
    kinds = {"contracts", "golden", "oracles", "faults", "scripts", "docs", "benchmarks"}
    found = {p.name for p in Path(__file__).parent.iterdir() if p.is_dir() and any(p.glob("test_*.py"))}
    assert found <= set(FLOORS) | kinds, found - set(FLOORS) - kinds
