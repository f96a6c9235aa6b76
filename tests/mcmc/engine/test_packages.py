"""Packages: steps as text and back, what is built of them, and what is done with those that others left.

One small package is built by the real compiler for all tests of this file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.draws import Replay
from gibbsian.core.random import generator
from gibbsian.mcmc import HMC, MALA, Langevin, run
from gibbsian.mcmc.base import ChainState
from gibbsian.mcmc.engine import folder as folder_module
from gibbsian.mcmc.engine import packages as kept
from gibbsian.mcmc.engine.engine import Engine
from gibbsian.mcmc.engine.folder import NotBuilt
from gibbsian.mcmc.engine.inputs import in_graph
from gibbsian.mcmc.engine.lifting import Lifting
from gibbsian.mcmc.engine.packages import PACKAGE, SEAL, Packages, name_of, opened, seal
from gibbsian.mcmc.engine.program import Order, Unwritable, read
from gibbsian.mcmc.engine.steps import alike, flat, moved_alike, traced_step
from gibbsian.mcmc.engine.tape import Layout, Made, Step

aten = torch.ops.aten
TRIES = 20
needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler here"
)
KERNELS = {
    "langevin": Langevin(0.1, 0.7),
    "mala": MALA(0.3, 0.7),
    "hmc": HMC(0.4, leapfrogs=2, temperature=0.7, jitter=0.2),
}


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)
        return nn.Sequential(*layers).requires_grad_(False)


def start(chains: int = 5) -> Tensor:
    return torch.randn(chains, 3, generator=generator(1))


def noise(kernel, energy, state) -> list[Tensor]:
    rng = generator(2)
    shapes = {1: [(5, 3)], 2: [(5, 3), (5,)], 3: [(5, 3), (5,), (5,)]}
    asked = 1 if isinstance(kernel, Langevin) else 3 if getattr(kernel, "jitter", 0) else 2
    return [torch.rand(shape, generator=rng) for shape in shapes[asked]]


def ordered(kernel, energy, length: int = 2, thin: int = 0):
    """A step as traced, an order for it, and what the order takes."""
    state = kernel.init(energy, start())
    seen, numbers = in_graph(kernel, state), noise(kernel, energy, state)
    step = traced_step(seen, energy, state._replace(count=0), numbers)
    inputs = step.inputs([seen] * length, state, [numbers] * length)
    return step, Order(step.program, length, thin, 1), inputs


@pytest.mark.parametrize("name", KERNELS)
def test_a_step_survives_its_text(name):
    """Two steps on other weights than those that were read: what the kernel itself makes of them."""
    kernel = KERNELS[name]
    again = read(ordered(kernel, net(), thin=1)[1].written())
    step, order, inputs = ordered(kernel, net(1), thin=1)
    assert again.written() == order.written()
    state = kernel.init(net(1), start())
    numbers = noise(kernel, net(1), state)
    for _ in range(2):
        state, _ = kernel.step(net(1), state, Replay(numbers))
    made, _, _, kept_states = step.sums(order, again(inputs))
    torch.testing.assert_close(flat(made), flat(state))
    torch.testing.assert_close(kept_states[-1].position, state.position)


@pytest.mark.parametrize("exact", [False, True])
def test_numbers_that_a_block_alone_loses_are_no_rounding(exact):
    """Not where the steps lose them too."""
    x = torch.zeros(3, 2)
    there, lost = torch.ones(3, 2), torch.full((3, 2), torch.nan)
    begin, good, bad = ChainState(x), ChainState(there), ChainState(lost)
    assert alike(good, good) and moved_alike(begin, good, good, exact)
    assert not alike(bad, good) and not moved_alike(begin, bad, good, exact)
    assert alike(bad, bad) and moved_alike(begin, bad, bad, exact)


def test_a_chain_that_diverged_in_any_step_is_marked():
    """One proposal out of the numbers, in the first of two steps."""
    step, order, inputs = ordered(MALA(0.3), net())
    lost = torch.zeros(5, 3).index_fill_(0, torch.tensor([1]), torch.inf)
    states = len(step.program.state)
    inputs[states] = inputs[states] + lost
    _, divergent, sums, _ = step.sums(order, order(inputs))
    assert divergent.tolist() == [False, True, False, False, False] and sums["acceptance"].isfinite().all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Langevin(0.1, 0.7), Langevin(0.03, 0.2)),
        (MALA(0.3, 0.7), MALA(0.21, 1.3)),
        (HMC(0.4, leapfrogs=2, jitter=0.3), HMC(0.13, leapfrogs=2, jitter=0.2)),
    ],
)
def test_settings_and_weights_are_no_part_of_a_text(one, other):
    texts = {ordered(kernel, energy)[1].written() for kernel in (one, other) for energy in (net(), net(1))}
    assert len(texts) == 1


@pytest.mark.parametrize(
    "change",
    [{"leapfrogs": 3}, {"jitter": 0.0}, {"step_size": 0.5}],
    ids=["leapfrogs", "no jitter", "a simple number"],
)
def test_other_operations_are_another_text(change):
    first = {"step_size": 0.4, "leapfrogs": 2, "jitter": 0.3}
    texts = {ordered(HMC(**options), net())[1].written() for options in (first, first | change)}
    assert len(texts) == 2


def test_text_holds_no_operation_of_strangers():
    _, order, _ = ordered(Langevin(0.1), net())
    text = order.written().replace("aten.mul.Tensor", "os.system.default")
    with pytest.raises(Unwritable, match="os.system"):
        read(text)


def lifted(operation, args, kwargs, dtype=torch.float32, size=(4,)):
    layout = Layout(torch.Size(size), (1,) * len(size), dtype)
    lifting = Lifting({0: layout, 1: layout, 2: layout, 3: layout}, 4)
    return lifting(Step(operation, args, kwargs, (3,)))


@pytest.mark.parametrize(
    ("operation", "args", "kwargs"),
    [
        (aten.mul.Tensor, (Made(0), 0.3), {}),
        (aten.div.Tensor, (Made(0), 0.3), {}),
        (aten.add.Tensor, (Made(0), 0.3), {}),
        (aten.sub.Tensor, (Made(0), Made(1)), {"alpha": 0.3}),
        (aten.add.Tensor, (Made(0), Made(1)), {"alpha": -0.3}),
        (aten.addcmul.default, (Made(0), Made(1), Made(2)), {"value": 0.3}),
    ],
)
def test_lifted_steps_make_the_same_numbers(operation, args, kwargs):
    known = {k: torch.randn(4, generator=generator(k)) for k in range(3)}

    def make(steps):
        made = dict(known)
        for step in steps:
            given = [made[a.number] if isinstance(a, Made) else a for a in step.args]
            (made[step.results[0]],) = (step.operation(*given, **step.kwargs),)
        return made[3]

    steps = lifted(operation, args, kwargs)
    assert not any(isinstance(a, float) for s in steps for a in (*s.args, *s.kwargs.values()))
    torch.testing.assert_close(make(steps), make([Step(operation, args, kwargs, (3,))]))


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((Made(0), 0.5), {}),
        ((Made(0), -1.0), {}),
        ((Made(0), 2), {}),
        ((Made(0), 0.3), {"dtype": torch.int64}),
        ((Made(0), 0.3), {"size": ()}),
        ((Made(0), float("inf")), {}),
    ],
    ids=["half", "minus one", "whole", "of whole numbers", "without dimensions", "infinite"],
)
def test_what_is_not_lifted(args, options):
    (step,) = lifted(aten.mul.Tensor, args, {}, **options)
    assert step.args[1] is args[1]


# The real compiler.


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with one package, its order and what that takes."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("no C++ compiler here")
    folder = tmp_path_factory.mktemp("packages")
    _, order, inputs = ordered(HMC(0.4, leapfrogs=2, jitter=0.3), net(), thin=1)
    name = name_of(order.written())
    Packages(folder).wait(name, order.written())
    return folder, name, order, inputs


@pytest.fixture
def own(built, tmp_path):
    """The same in a folder of this test's own."""
    folder = tmp_path / "packages"
    shutil.copytree(built[0], folder)
    folder.chmod(0o700)
    return folder, *built[1:]


def test_a_package_makes_what_the_steps_make(own):
    folder, name, order, inputs = own
    made = Packages(folder).find(name)(list(inputs))
    for a, b in zip(made, order(inputs), strict=True):
        torch.testing.assert_close(a, b)


def test_no_builder_leaves_anything_behind(own):
    folder, name, *_ = own
    assert [p.name for p in folder.iterdir()] == [name]
    assert {p.name for p in (folder / name).iterdir()} >= {PACKAGE, SEAL}


@pytest.mark.parametrize("file", [PACKAGE, SEAL])
def test_a_cut_or_changed_package_is_not_loaded(own, file, caplog):
    folder, name, *_ = own
    whole = (folder / name / file).read_bytes()
    rng = generator(3)
    for k in range(TRIES):
        place = int(torch.randint(len(whole), (), generator=rng))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << k % 8
        for content in (whole[:place], bytes(flipped)):
            (folder / name).mkdir(exist_ok=True)
            for other in (PACKAGE, SEAL):
                shutil.copy(own_copy(folder, name, other, whole, file), folder / name / other)
            (folder / name / file).write_bytes(content)
            assert opened(folder / name) is None and not (folder / name).exists()
    told = [r.getMessage() for r in caplog.records]
    assert len(told) == 2 * TRIES and all("built again" in line for line in told)


def own_copy(folder: Path, name: str, other: str, whole: bytes, file: str) -> Path:
    """A whole file to copy from."""
    aside = folder.parent / f"whole-{other}"
    if not aside.exists():
        aside.write_bytes(whole if other == file else (folder / name / other).read_bytes())
    return aside


def test_a_package_for_another_processor_is_not_loaded(own, monkeypatch):
    folder, name, *_ = own
    here = kept.machine()
    for k in range(TRIES):
        elsewhere = json.dumps(json.loads(here) | {"features": f"other-{k}"})
        place = folder / f"moved-{k}"
        shutil.copytree(folder / name, place)
        with monkeypatch.context() as there:
            there.setattr(kept, "machine", lambda elsewhere=elsewhere: elsewhere)
            (place / SEAL).write_text(seal(place, place.name))
            assert name_of("") != name
        assert opened(place) is None and not place.exists()


def test_a_package_under_another_name_is_not_loaded(own):
    folder, name, *_ = own
    shutil.copytree(folder / name, folder / "other")
    assert opened(folder / "other") is None and opened(folder / name) is not None


@pytest.mark.slow
@needs_compiler
def test_a_damaged_package_is_built_again(own):
    folder, name, order, inputs = own
    (folder / name / PACKAGE).write_bytes(b"")
    assert Packages(folder).find(name) is None
    made = Packages(folder).wait(name, order.written())(list(inputs))
    torch.testing.assert_close(made[0], order(inputs)[0])


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_folder_where_others_may_write_is_not_used(tmp_path, caplog):
    tmp_path.chmod(0o777)
    engine = Engine(longest=2, fewest=1, packages=Packages(tmp_path))
    x = start()
    quick = run(Langevin(0.1), net(), x, steps=5, rng=1, compile=True, engine=engine)
    plain = run(Langevin(0.1), net(), x, steps=5, rng=1)
    torch.testing.assert_close(quick.position, plain.position)
    assert [r.getMessage() for r in caplog.records if "others may write" in r.getMessage()]


def test_a_new_folder_is_closed_to_others(tmp_path):
    assert Packages(tmp_path / "a" / "b").folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotBuilt, match="cannot be kept"):
        _ = Packages(tmp_path / "file" / "packages").folder


def test_where_packages_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GIBBSIAN_CACHE", str(tmp_path / "here"))
    assert kept.kept_folder() == tmp_path / "here"
    monkeypatch.delenv("GIBBSIAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kept.kept_folder() == tmp_path / "gibbsian" / "packages"


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_package_in_a_folder_that_others_may_enter_is_not_loaded(own, caplog):
    """As one that was put there while the folder was open to them."""
    folder, name, *_ = own
    (folder / name).chmod(0o755)
    assert opened(folder / name) is None and not (folder / name).exists()
    assert "not the user's own" in caplog.records[0].getMessage()


def test_a_file_in_the_place_of_a_package_is_removed(tmp_path):
    (tmp_path / "name").write_text("")
    assert opened(tmp_path / "name") is None and not list(tmp_path.iterdir())


def test_what_builders_left_is_swept_in_time(tmp_path):
    old, new = tmp_path / "building-old", tmp_path / "building-new"
    for room in (old, new):
        room.mkdir()
    os.utime(old, (1, 1))
    folder_module.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["building-new"]


@pytest.mark.slow
@needs_compiler
def test_a_builder_takes_no_module_from_where_somebody_works(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    for name in ("timeit", "cProfile", "sympy"):
        (work / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n")
    monkeypatch.chdir(work)
    with pytest.raises(NotBuilt, match="JSONDecodeError"):
        Packages(tmp_path / "packages").wait("name", "no order")
    assert not (tmp_path / "run").exists() and not list((tmp_path / "packages").iterdir())


def test_a_fork_leaves_builders_to_its_parent(tmp_path, monkeypatch):
    room = tmp_path / "room"
    room.mkdir()
    packages = Packages(tmp_path / "packages")
    packages.builders["name"] = (Builder(0), room)
    monkeypatch.setattr(os, "getpid", lambda: packages.process + 1)
    assert packages.find("name") is None and room.exists() and not packages.builders


def test_packages_used_last_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "HELD", 2)
    for k in range(4):
        (tmp_path / f"p{k}").mkdir()
        os.utime(tmp_path / f"p{k}", (k, k))
    (tmp_path / "building-now").mkdir()
    folder_module.prune(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["building-now", "p2", "p3"]


class Builder:
    """Stands for a process that builds; it ends when it is told to."""

    def __init__(self, code: int | None = None) -> None:
        self.returncode, self.killed = code, False

    def poll(self):
        return self.returncode

    def wait(self):
        raise KeyboardInterrupt

    def kill(self):
        self.killed = True


def test_an_interrupt_leaves_no_compiler_behind(tmp_path, monkeypatch):
    builder = Builder()
    monkeypatch.setattr(kept, "started", lambda folder, text: (builder, folder / "room"))
    packages = Packages(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        packages.wait("name", "text")
    assert builder.killed and packages.find("name") is None  # and it may be tried again


def test_auto_goes_on_while_a_package_is_built(own, tmp_path, monkeypatch):
    """Not before many steps; chains move meanwhile; later ones are made by what was built."""
    folder, name, order, _ = own
    room, builder, begun = tmp_path / "room", Builder(), []

    def begin(folder, text):
        begun.append(text)
        room.mkdir(mode=0o700, exist_ok=True)
        return builder, room

    monkeypatch.setattr(kept, "started", begin)
    engine = Engine(longest=2, fewest=1, auto_after=10, packages=Packages(tmp_path / "new"))
    kernel, x = HMC(0.4, leapfrogs=2, jitter=0.3), start()

    def chain(steps: int):
        return run(kernel, net(), x, steps=steps, rng=1, thin=1, compile="auto", engine=engine)

    chain(8)
    assert not begun
    chain(8)
    assert begun == [order.written()] and engine.blocks == 0
    shutil.copy(folder / name / PACKAGE, room / PACKAGE)
    builder.returncode = 0
    quick = chain(8)
    assert engine.blocks == 4 and len(begun) == 1
    plain = run(kernel, net(), x, steps=8, rng=1, thin=1)
    torch.testing.assert_close(quick.trace, plain.trace)
    fresh = Engine(longest=2, fewest=1, packages=Packages(tmp_path / "new"))
    run(kernel, net(), x, steps=8, rng=1, thin=1, compile="auto", engine=fresh)
    assert fresh.blocks == 4  # it was there: no step has to be made before it is used


def test_a_builder_that_fails_is_told_and_not_tried_again(tmp_path, monkeypatch, caplog):
    def begin(folder, text):
        room = folder / "room"
        room.mkdir()
        (room / kept.FAILED).write_text("SomeError: the reason\n")
        return Builder(1), room

    monkeypatch.setattr(Builder, "wait", lambda self: 1)
    monkeypatch.setattr(kept, "started", begin)
    engine = Engine(longest=2, fewest=1, packages=Packages(tmp_path))
    for _ in range(2):
        run(Langevin(0.1), net(), start(), steps=5, rng=1, compile=True, engine=engine)
    told = [r.getMessage() for r in caplog.records if "without compilation" in r.getMessage()]
    assert len(told) == 1 and "the reason" in told[0] and not list(tmp_path.iterdir())


SECOND = """
import sys, time, torch, gibbsian as gb
torch.set_num_threads(1)
from gibbsian.mcmc.engine.engine import ENGINE
ENGINE.longest, ENGINE.fewest = 2, 1
layers = torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 1)
net, x = torch.nn.Sequential(*layers), torch.randn(5, 3)
gb.run(gb.HMC(.2, leapfrogs=2, jitter=.3), net, x, steps=2, rng=0)
began = time.perf_counter()
gb.run(gb.HMC(.2, leapfrogs=2, jitter=.3), net, x, steps=2, rng=0, thin=1, compile=True)
print(time.perf_counter() - began, ENGINE.blocks)
print([m for m in ("torch._inductor", "torch._dynamo", "sympy") if m in sys.modules])
"""


def test_another_process_waits_for_nothing(own):
    """The first compiled step within .1 s, told at five times that, and no compiler imported."""
    folder = own[0]
    done = subprocess.run(
        [sys.executable, "-c", SECOND],
        env={**os.environ, "GIBBSIAN_CACHE": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, loaded = done.stdout.splitlines()
    took, blocks = first.split()
    assert int(blocks) == 1 and float(took) < 0.5 and loaded == "[]"
    assert time.time() - (folder / own[1]).stat().st_mtime < 60  # noted as used
