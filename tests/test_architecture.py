"""The architecture, parsed: floors, one place for each thing, no hidden randomness, documented names.

Each test lists every offender that it finds, one a line.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sources import (
    ALL_FILES,
    BESIDE,
    FILES,
    HOME,
    MODULES,
    ROOT,
    module,
    nodes,
    none,
    package,
    shown,
    text,
    tree,
)

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
    "report": 4,
    "models": 5,
    "train": 6,
    "tasks": 7,
    "app": 8,
    "cli": 9,
}
# Report draws what others measured: of its own floor it may read how intervals are written.
ACROSS = {("report", "gibbsian.metrics.interval")}
LONGEST = 250
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "lib"}
GLOBAL_DRAWS = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal"),
    *("bernoulli", "multinomial", "poisson", "seed", "manual_seed", "uniform_", "normal_", "random_"),
    *("bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_", "trunc_normal_", "dropout"),
    *("kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_", "orthogonal_"),
}
# Initialisation draws from torch's global stream, which `core.random.seeded_init` forks and seeds around it.
INITIALISERS = {"nets"}
# Explicitly seeded or handled: the door itself.
SEEDED = {"core/random.py"}
# Reads a published file of weights as it is spread, without code.
FOREIGN = {"tasks/inception.py"}
TORCH_FREE = (
    "gibbsian",
    "gibbsian.cli.main",
    "gibbsian.core.config",
    "gibbsian.core.errors",
    "gibbsian.data.names",
    "gibbsian.models.papers",
    "gibbsian.starts",
    "gibbsian.train.recipes",
)


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Full names of what a file imports anywhere, in functions and for typing too: modules where they are
    modules, else module and name."""
    top = ROOT.parent if path.is_relative_to(ROOT) else HOME
    base = list(path.relative_to(top).parts[:-1])
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - node.level + 1] if node.level else []
            name = ".".join([*start, *([node.module] if node.module else [])])
            found += [f"{name}.{a.name}" for a in node.names]
    return tuple(found)


def imported_modules(path: Path) -> set[str]:
    """Modules of the repository that a file imports: a package counts where one of its names is taken."""
    parents = (name if name in MODULES else name.rpartition(".")[0] for name in imported(path))
    return {name for name in parents if name in MODULES and name != module(path)}


def calls(path: Path) -> Iterator[ast.Call]:
    return (n for n in nodes(path) if isinstance(n, ast.Call))


def last_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


# -- who imports whom ----------------------------------------------------------------------------------


def test_every_package_has_a_floor() -> None:
    found = {p.name for p in ROOT.iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert found <= set(FLOORS), f"give {found - set(FLOORS)} a floor"


def test_imports_go_down() -> None:
    def wrong(path: Path) -> Iterator[str]:
        own = package(path)
        for name in sorted(imported_modules(path)):
            other = name.split(".")[1] if "." in name else ""
            if own and other in FLOORS and other != own and FLOORS[other] >= FLOORS[own]:
                if (own, name) not in ACROSS:
                    yield (
                        f"{shown(path)}: {own} (floor {FLOORS[own]}) imports {name} (floor {FLOORS[other]})"
                    )

    none(line for path in FILES for line in wrong(path))


def test_reports_know_only_numbers() -> None:
    allowed = ("gibbsian.core", "gibbsian.report", *(name for _, name in ACROSS))
    none(
        f"{shown(path)} imports {name}"
        for path in FILES
        if package(path) == "report"
        for name in imported_modules(path)
        if not name.startswith(allowed)
    )


def test_objectives_do_not_know_samplers_nor_samplers_objectives() -> None:
    other = {"mcmc": "gibbsian.objectives", "objectives": "gibbsian.mcmc"}
    none(
        f"{shown(path)} imports {name}"
        for path in FILES
        for name in imported(path)
        if package(path) in other and name.startswith(other[package(path)])
    )


def test_the_library_does_not_know_what_stands_beside_it() -> None:
    none(
        f"{shown(path)} imports {name}"
        for path in FILES
        for name in imported(path)
        if name.split(".")[0] in (*BESIDE, "tests")
    )
    none(
        f"{shown(path)} imports {name}"
        for path in ALL_FILES
        for name in imported(path)
        if not path.is_relative_to(ROOT)
        and name.split(".")[0] in {*BESIDE, "tests"} - {path.relative_to(HOME).parts[0]}
    )


def components(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    """The strongly connected components of more than one node (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[frozenset[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(frozenset(stack[at:]))
            del stack[at:]

    for name in graph:
        if name not in order:
            visit(name)
    return found


def test_components_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert set(components(graph)) == {frozenset("abc"), frozenset("de")}
    assert components({"a": {"b"}, "b": set()}) == []


def test_no_cycles() -> None:
    """Imports in functions and for typing count too, for they say as much of who needs whom."""
    graph = {name: imported_modules(path) for name, path in MODULES.items()}
    none(" <-> ".join(sorted(circle)) for circle in components(graph))


def test_help_and_lists_never_import_torch() -> None:
    settings = [
        name for name, path in MODULES.items() if package(path) and path.stem in ("config", "settings")
    ]
    wanted = [m for m in (*TORCH_FREE, *settings) if m in MODULES]
    load = (
        "import importlib, sys\n"
        f"for m in {wanted!r}:\n"
        "    importlib.import_module(m)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{m} imports torch')"
    )
    found = subprocess.run([sys.executable, "-c", load], timeout=60, capture_output=True, encoding="utf-8")
    assert found.returncode == 0, found.stderr


def test_tests_mirror_the_source() -> None:
    """Each test folder is a package of the source, or one of the kinds that cut across."""
    kinds = {"contracts", "golden", "oracles", "faults", "scripts", "docs", "trials", *BESIDE}
    found = {p.name for p in Path(__file__).parent.iterdir() if p.is_dir() and any(p.rglob("test_*.py"))}
    assert found <= set(FLOORS) | kinds, found - set(FLOORS) - kinds


# -- one place for each thing --------------------------------------------------------------------------


def test_the_library_never_imports_what_stands_beside_it() -> None:
    for path in FILES:
        for node in ast.walk(tree(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {n.partition(".")[0] for n in names} & {"benchmarks", "experiments", "tests"}, path


def test_one_place_differentiates_by_position() -> None:
    found = {shown(p) for p in FILES for c in calls(p) if ast.unparse(c.func).endswith("autograd.grad")}
    assert found == {"core/energy.py"}
    none(shown(p) for p in FILES if "create_graph" in text(p) and p.name != "energy.py")


def test_one_place_calls_backward() -> None:
    found = {shown(p) for p in FILES for c in calls(p) if last_name(c) == "backward"}
    # what measures samples is no learner, the self-check differentiates one number
    exempt = {"tasks/features.py", "tasks/ood/baselines.py", "cli/selfcheck.py"}
    assert found - exempt == {"train/update.py"}


# -- nothing hidden ------------------------------------------------------------------------------------


def test_nothing_hides_what_went_wrong() -> None:
    def wrong(path: Path) -> Iterator[str]:
        for call in calls(path):
            if last_name(call) in ("nan_to_num", "nan_to_num_", "hasattr"):
                yield f"{shown(path)}:{call.lineno}: {last_name(call)}"
            foreign = shown(path) in FOREIGN and "weights_only=True" in ast.unparse(call)
            if ast.unparse(call.func) in ("torch.load", "pickle.load", "pickle.loads") and not foreign:
                yield f"{shown(path)}:{call.lineno}: checkpoints are safetensors and JSON"
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield f"{shown(path)}:{node.lineno}: a bare except"

    none(line for path in ALL_FILES for line in wrong(path))


def test_no_draw_from_a_global_stream() -> None:
    def wrong(path: Path) -> Iterator[str]:
        for call in calls(path):
            name, keywords = last_name(call), {k.arg for k in call.keywords}
            called, where = ast.unparse(call.func), f"{shown(path)}:{call.lineno}"
            if called.startswith(("np.random.", "numpy.random.", "random.")) and "(" not in called:
                if name not in ("RandomState", "default_rng", "Random"):
                    yield f"{where}: {called}"
            if "(" in called or not (called.startswith(("torch.", "nn.", "F.")) or name.endswith("_")):
                continue
            if name in GLOBAL_DRAWS and "generator" not in keywords:
                yield f"{where}: {called} without generator="

    exempt = {p for p in ALL_FILES if shown(p) in SEEDED or package(p) in INITIALISERS}
    none(line for path in ALL_FILES if path not in exempt for line in wrong(path))


def test_initialisers_draw_only_where_modules_are_built() -> None:
    """In nets/, a forward pass never draws from the global stream."""

    def wrong(path: Path) -> Iterator[str]:
        forwards = (n for n in nodes(path) if isinstance(n, ast.FunctionDef) and n.name == "forward")
        for call in (c for node in forwards for c in ast.walk(node) if isinstance(c, ast.Call)):
            if last_name(call) in GLOBAL_DRAWS and ast.unparse(call.func).startswith(("torch.", "F.")):
                if "generator" not in {k.arg for k in call.keywords}:
                    yield f"{shown(path)}:{call.lineno}"

    none(line for path in FILES if package(path) in INITIALISERS for line in wrong(path))


# -- readable ------------------------------------------------------------------------------------------


def test_files_are_short_or_say_why() -> None:
    def wrong(path: Path) -> Iterator[str]:
        if path.stem in FORBIDDEN_NAMES:
            yield f"{shown(path)}: name the file after what it holds"
        length = len(text(path).splitlines())
        if length > LONGEST and "long" not in (ast.get_docstring(tree(path)) or "").lower():
            yield f"{shown(path)}: {length} lines: say in the docstring why it is longer than {LONGEST}"

    none(line for path in ALL_FILES for line in wrong(path))


def methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {n.name: n for p in ALL_FILES for n in tree(p).body if isinstance(n, ast.ClassDef)}


def documented(node: ast.ClassDef) -> set[str]:
    """Names of methods that this class or one above it documents; torch documents its own."""
    above = [classes()[b.id] for b in node.bases if isinstance(b, ast.Name) and b.id in classes()]
    own = {m.name for m in methods(node) if ast.get_docstring(m)}
    return own.union({"forward", "extra_repr"}, *map(documented, above))


def test_public_names_are_documented() -> None:
    """Modules, functions, classes, and methods, unless a class above documents them."""

    def wrong(path: Path) -> Iterator[str]:
        if text(path).strip() and not ast.get_docstring(tree(path)):
            yield shown(path)
        for node in tree(path).body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                yield f"{shown(path)}: {node.name}"
            if isinstance(node, ast.ClassDef):
                bare = [m.name for m in methods(node) if m.name not in documented(node)]
                yield from (f"{shown(path)}: {node.name}.{name}" for name in bare)

    none(line for path in ALL_FILES for line in wrong(path))
