"""Compiled chains are the eager ones within rounding, whatever happens to the compiler.

The quick tests trace by the real tracer and run what it traced without generating code (`Tracer`), each with
an engine of its own; a few, and those marked `slow`, generate code.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import threading
import weakref
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.errors import UsageError
from gibbsian.core.position import leaves, randn_like
from gibbsian.core.random import generator
from gibbsian.energies.algebra import Mixture, Negation, Product, Scaled, Tempered
from gibbsian.energies.analytic import Gaussian
from gibbsian.energies.conditional import Given, Guided
from gibbsian.energies.latent import PullBack
from gibbsian.energies.restrict import Restricted
from gibbsian.mcmc import HMC, MALA, IndependentMH, Langevin, Underdamped, run
from gibbsian.mcmc.base import Chain, ChainInfo, ChainState, ChainSummary
from gibbsian.mcmc.engine.engine import Engine
from gibbsian.mcmc.engine.packages import Packages
from gibbsian.mcmc.engine.program import read
from gibbsian.mcmc.engine.slices import Sliced
from gibbsian.nets.conv import ConvNet
from gibbsian.nets.frozen import frozen
from gibbsian.nets.igebm import IGEBMNet
from gibbsian.nets.mlp import MLP
from gibbsian.nets.settings import ConvConfig, MLPConfig, ResidualConfig

F64 = torch.float64
METRIC = (torch.tensor([1.0, 0.5, 0.2], dtype=F64),)
KERNELS = {
    "langevin": Langevin(0.1),
    "descent": Langevin(0.1, temperature=0.0),
    "noise-first": Langevin(0.1, noise_first=True),
    "clipped-value": Langevin(0.1, clip_value=0.3),
    "clipped-norm": Langevin(0.1, clip_norm=0.5),
    "clamped": Langevin(0.1, clamp=(-0.5, 0.5)),
    "clamped-noised": Langevin(0.1, noise_first=True, clamp=(-0.5, 0.5), clamp_noised=True),
    "igebm": Langevin(20.0, 1.25e-6, noise_first=True, clip_value=0.01, clamp=(0.0, 1.0)),
    "annealed": Langevin(0.1, temperature_schedule=lambda k: 1.0 / (1 + k)),
    "annealed-to-zero": Langevin(0.1, temperature_schedule=lambda k: max(0.0, 1 - k / 5)),
    "shrinking": Langevin(0.1, step_size_schedule=lambda k: 0.1 / (1 + k), clip_value=1.0),
    "later": Langevin(0.1, step_size_schedule=lambda k: 0.1 / (1 + k), start_step=3),
    "mala": MALA(0.3, temperature=0.7),
    "mala-metric": MALA(0.3, metric=METRIC),
    "hmc": HMC(0.4, leapfrogs=2, temperature=0.7, jitter=0.2),
    "hmc-metric": HMC(0.4, leapfrogs=2, metric=METRIC),
    "baoab": Underdamped(0.3, friction=1.0),
    "aboba": Underdamped(0.3, friction=1.0, splitting="aboba"),
    "obabo": Underdamped(0.3, friction=1.0, splitting="obabo", temperature=0.5),
    "ghmc": Underdamped(0.6, friction=1.0, splitting="obabo", metropolis=True, leapfrogs=2),
    "independent": IndependentMH(),
}
CLOSE = {"rtol": 1e-10, "atol": 1e-10}
EXACT = {"rtol": 0, "atol": 0}
COMPILER = shutil.which(os.environ.get("CXX", "g++"))
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
# The compiler imports parts of torch that warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")


class Tracer:
    """A compiler that traces and runs what it traced; it counts its graphs and the functions it was given."""

    def __init__(self, wrap=lambda forward: forward) -> None:
        self.graphs, self.functions, self.wrap = 0, 0, wrap

    def __call__(self, function, device):
        self.functions += 1
        return torch.compile(function, dynamic=False, fullgraph=True, backend=self.backend)

    def backend(self, module, inputs):
        self.graphs += 1
        return self.wrap(module.forward)


class Interpreted(Packages):
    """Packages that are the steps themselves, read from what would have been built; it counts them."""

    def find(self, name):
        return self.loaded.get(name)

    def begin(self, name, text):
        self.loaded[name] = read(text)

    def wait(self, name, text):
        self.begin(name, text)


@pytest.fixture
def traced() -> Engine:
    """Graphs of one step, by a tracer."""
    return Engine(longest=1, compiler=Tracer())


@pytest.fixture(params=["graphs", "packages"])
def engine(request, traced) -> Engine:
    """Blocks of one step, by a tracer or by steps read from text."""
    return traced if request.param == "graphs" else Engine(longest=1, fewest=1, packages=Interpreted())


def made(engine: Engine) -> int:
    """Graphs or packages that were made."""
    return len(engine.packages.loaded) if engine.compiler is None else engine.compiler.graphs


def rough(x) -> Tensor:
    """On positions of any structure; not a Gaussian, so that steps are accepted and rejected."""
    return sum((a.pow(2) / 2 + a.cos()).flatten(1).sum(1) * (i + 1) for i, a in enumerate(leaves(x)))


def start(*shape: int, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(shape, generator=generator(1), dtype=dtype)


def built(make, seed: int = 0, dtype: torch.dtype = F64) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().to(dtype).requires_grad_(False).eval()


def mlp(seed: int = 0, event: int = 2, **options) -> nn.Module:
    return built(
        lambda: MLP((event,), MLPConfig(**{"hidden": (6, 5), "activation": "swish", **options})), seed
    )


def same(a: object, b: object, **bounds) -> None:
    """Chains, states, reports or positions, field by field."""
    if isinstance(a, ChainSummary):
        bounds = {}  # sums that wait for one another are added in another order
    if isinstance(a, Tensor):
        shares = CLOSE | {"rtol": 1e-6} if a.dtype == torch.float32 else CLOSE
        torch.testing.assert_close(b, a, **(bounds or shares))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for p, q in zip(a, b, strict=True):
            same(p, q, **bounds)
    elif isinstance(a, ChainInfo):
        assert a.parts.keys() == b.parts.keys()
        for name in a.parts:
            same(getattr(a, name), getattr(b, name), **bounds)
    elif dataclasses.is_dataclass(a):
        for f in dataclasses.fields(a):
            same(getattr(a, f.name), getattr(b, f.name), **bounds)
    else:
        assert a == b


def compiled(engine, kernel, energy, x, steps: int = 7, seed: int = 5, **options) -> Chain:
    """The chain in blocks of `engine`."""
    options = {"rng": generator(seed), "compile": True} | options
    return run(kernel, energy, x, steps=steps, engine=engine, **options)


def both(
    engine, kernel, energy, x, steps: int = 13, seed: int = 5, *, fails: bool = False, bounds=None, **options
) -> tuple[Chain, Chain]:
    """The chain without and with `engine`, known to be the same and to leave the generator the same."""
    rngs = generator(seed), generator(seed)
    plain = run(kernel, energy, x, steps=steps, rng=rngs[0], **options)
    quick = compiled(engine, kernel, energy, x, steps, rng=rngs[1], **options)
    same(plain, quick, **(bounds or {}))
    assert torch.equal(rngs[0].get_state(), rngs[1].get_state())
    assert bool(engine.failed) == fails
    return plain, quick


def messages(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "gibbsian"]


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_makes_the_same_chain(name, engine):
    """Positions, cached energies, all means, the counts; then the same once more from where it ended."""
    engine.longest = 2
    kernel = KERNELS[name]
    plain, quick = both(engine, kernel, rough, start(6, 3))
    assert quick.state.count == plain.state.count == 13 and quick.info.steps == 13
    assert 1 <= made(engine) <= 2 and not quick.position.requires_grad
    before = made(engine)
    rngs = generator(9), generator(9)
    plain = run(kernel, rough, plain.state, steps=9, rng=rngs[0])
    quick = run(kernel, rough, quick.state, steps=9, rng=rngs[1], compile=True, engine=engine)
    same(plain, quick)
    assert quick.state.count == 22 and made(engine) == before


@pytest.mark.parametrize("name", ["clipped-norm", "ghmc"])
def test_a_pair_is_a_position(name, engine):
    plain, quick = both(engine, KERNELS[name], rough, (start(4, 3), start(4, 1, 2, 2)), steps=7)
    assert isinstance(quick.position, tuple) and made(engine) == 1


@pytest.mark.parametrize("thin", [2, 3, 5])
def test_a_trace_holds_the_same_positions(thin, engine):
    engine.longest = 3
    plain, quick = both(engine, MALA(0.3), rough, start(4, 2), steps=13, thin=thin)
    assert len(quick.trace) == len(quick.energies) == 13 // thin and made(engine) == 1
    if thin == 3:
        both(engine, Langevin(0.1), rough, (start(4, 2), start(4, 1)), steps=12, thin=thin)


def test_positions_kept_inside_a_block(engine):
    """Blocks of four steps that keep all or two of them; a first step made without a graph."""
    engine.longest = 4
    for kernel, thin in ((KERNELS["annealed"], 1), (KERNELS["baoab"], 2)):
        _, quick = both(engine, kernel, rough, start(4, 2), steps=13, thin=thin)
        assert len(quick.trace) == 13 // thin
    assert made(engine) == 2


def test_positions_kept_slice_by_slice(engine):
    engine.longest = 2
    energy = Sliced(Given(mlp(classes=3), torch.tensor([0, 2, 1, 0, 1])), 3)
    both(engine, MALA(0.3), energy, start(5, 2), steps=4, thin=1)


def test_observers_see_every_step(engine):
    seen: list[list[tuple[int, ChainState, ChainInfo]]] = [[], []]
    for compile, into in zip((False, True), seen, strict=True):
        run(
            KERNELS["clamped"], rough, start(4, 2), steps=5, rng=generator(0), compile=compile, engine=engine,
            observe=lambda k, state, info, into=into: into.append((k, state, info)),
        )  # fmt: skip
    assert [k for k, _, _ in seen[1]] == list(range(5)) and made(engine) == 1
    assert [state.count for _, state, _ in seen[1]] == [1, 2, 3, 4, 5]
    for a, b in zip(*seen, strict=True):
        same(a, b)


def test_progress_tells_the_steps_of_each_block(engine):
    engine.longest = 2
    calls = []
    compiled(
        engine, Langevin(0.1), rough, start(4, 2), progress=lambda done, steps: calls.append((done, steps))
    )
    assert calls == [(2, 7), (4, 7), (6, 7), (7, 7)]


def test_few_or_no_steps(engine):
    engine.longest = 2
    x = start(4, 2)
    for steps in (0, 1, 2):
        both(engine, Langevin(0.1), rough, x, steps=steps)
    assert torch.equal(compiled(engine, MALA(0.1), rough, x, steps=0).position, x)


class Bowl:
    """A callable object that is neither a module nor a record."""

    def __init__(self, steepness: float) -> None:
        self.steepness = steepness

    def __call__(self, x: Tensor) -> Tensor:
        return self.steepness * (x**2).flatten(1).sum(1)

    def away(self, x: Tensor) -> Tensor:
        return self(x - 1)


def scaled_by(factor: Tensor, number: float, x: Tensor) -> Tensor:
    return (factor * x**4).sum(1) * number


FACTOR = torch.tensor([0.3, 0.1], dtype=F64)
LABELS = torch.tensor([0, 2, 1, 0])
MASK = torch.tensor([[True, False]])
ENERGIES = {
    "network": mlp,
    "given": lambda: Given(mlp(classes=3), LABELS),
    "guided": lambda: Guided(mlp(classes=3, head="logits").logits, 1, 0.5),
    "pullback": lambda: PullBack(mlp(event=3), built(lambda: nn.Linear(2, 3))),
    "sums": lambda: Product(
        [
            Tempered(mlp(), 0.5),
            Scaled(mlp(1), torch.rand(4, generator=generator(0))),
            Mixture([mlp(), mlp(1)], weights=[1.0, 2.0]),
            Negation(mlp(), mlp(1), alpha=0.3, ceiling=0.1),
        ]
    ),
    "restricted": lambda: Restricted(mlp(), start(4, 2), MASK),
    "closure": lambda: (lambda net, t: lambda x: net(x) / t + FACTOR[0] * x.square().sum(1))(mlp(), 0.7),
    "method": lambda: Bowl(0.4).away,
    "partial": lambda: partial(scaled_by, FACTOR, 2.0),
    "object": lambda: Bowl(0.7),
    "analytic": lambda: Gaussian([0.0, 1.0], [[1.0, 0.3], [0.3, 0.5]], dtype=F64),
    "sliced": lambda: Sliced(Given(mlp(classes=3), LABELS), 3),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_energies_of_the_algebra(name, engine):
    kernel = Langevin(0.2, clamp=(-1.0, 1.0))
    both(engine, kernel, ENERGIES[name](), start(4, 2), steps=6)
    assert made(engine) == 1


@pytest.mark.parametrize("kernel", [Langevin(0.3, clip_norm=1.0), HMC(0.4, leapfrogs=1)])
def test_slices_of_unequal_length(kernel, engine):
    """Chains in slices of 2 and 3: the report joins them."""
    energy = Sliced(Given(mlp(classes=3), torch.tensor([0, 2, 1, 0, 1])), 3)
    both(engine, kernel, energy, start(5, 2), steps=7)
    assert made(engine) == 2


def test_frozen_spectral_norm(engine):
    """Normalised weights are made anew for each chain: they must be inputs of the graph."""
    net = IGEBMNet((1, 4, 4), ResidualConfig(channels=(4,), strides=(1,))).double()
    x = start(3, 1, 4, 4)
    for _ in range(2):
        with frozen(net):
            both(engine, Langevin(0.1), net, x, steps=3)
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(1.3)
    assert made(engine) == 1


def test_other_weights_are_inputs(engine):
    """A second network of the kind, weights changed in place, a buffer: no new graph and no stale number."""
    ends = []
    nets = [mlp(0), mlp(1)]
    for net in nets:
        ends.append(both(engine, Langevin(0.1), net, start(4, 2), steps=1)[1].position)
    with torch.no_grad():
        for p in nets[0].parameters():
            p.mul_(1.5)
    ends.append(both(engine, Langevin(0.1), nets[0], start(4, 2), steps=1)[1].position)
    assert made(engine) == 1 and not torch.allclose(ends[0], ends[1]) and not torch.allclose(ends[0], ends[2])


def test_weights_that_need_gradients_and_then_do_not(engine):
    net = mlp()
    for needed in (True, False, True, False):
        chain = both(engine, Langevin(0.1), net.requires_grad_(needed), start(4, 2), steps=1)[1]
        assert not chain.position.requires_grad
    assert made(engine) <= 2 and all(p.grad is None for p in net.parameters())


def test_what_a_closure_holds_may_change(engine):
    factor, number = FACTOR.clone(), {"of": 2.0}

    def energy(x: Tensor) -> Tensor:
        return scaled_by(factor, number["of"], x)

    for change in (lambda: None, lambda: factor.mul_(2), lambda: number.update(of=3.0)):
        change()
        both(engine, Langevin(0.1), energy, start(4, 2), steps=1)
    # What depends on no position is an input of a package.
    assert made(engine) == (1 if engine.compiler is None else 2)


def test_graphs_hold_no_network(engine):
    net = mlp()
    both(engine, MALA(0.1), net, start(4, 2), steps=1)
    gone = weakref.ref(net)
    del net
    assert gone() is None


def test_step_sizes_and_temperatures_are_inputs(engine):
    """More of them than the compiler would keep graphs for."""
    for k in range(10):
        both(engine, Langevin(0.01 + 0.02 * k, 0.5 + k), rough, start(4, 2), steps=1)
    assert made(engine) == 1
    both(engine, Langevin(0.1, 0.0), rough, start(4, 2), steps=1)
    assert made(engine) == 2


def test_schedules_and_legs_share_a_graph(engine):
    engine.longest = 2
    for first in (0, 5, 40):
        both(engine, KERNELS["annealed"].from_step(first), rough, start(4, 2), steps=9)
    both(engine, Langevin(0.3, temperature_schedule=lambda k: 0.0), rough, start(4, 2), steps=9)
    assert made(engine) == 1


def test_zero_and_not_zero_draw_differently(engine):
    for jitter in (0.0, 0.3, 0.0):
        both(engine, HMC(0.4, leapfrogs=1, jitter=jitter), rough, start(4, 2), steps=1)


def test_kernels_of_other_numbers_get_their_own_result(engine):
    for step_size in (0.1, 0.2, 0.1):
        both(engine, MALA(step_size), rough, start(4, 2), steps=1)
    assert made(engine) == (1 if engine.compiler is None else 2)


@pytest.mark.parametrize("shapes", [[(4, 2), (7, 2), (4, 2)]])
def test_other_numbers_of_chains(shapes, engine):
    for shape in shapes:
        both(engine, Langevin(0.1), rough, start(*shape), steps=1)
    assert made(engine) == 2


def test_single_and_double_precision(engine):
    for dtype in (torch.float32, F64, torch.float32):
        chain = both(
            engine,
            KERNELS["annealed"],
            rough,
            start(4, 2, dtype=dtype),
            steps=1,
            bounds={"rtol": None, "atol": None},
        )[1]
        assert chain.position.dtype == dtype
    assert made(engine) == 2


def test_layouts_need_no_graph_of_their_own(engine):
    x = start(4, 3, 6, 6)
    same_point = x[:1].expand(4, 3, 6, 6)
    turned = x.transpose(2, 3).contiguous().transpose(2, 3)
    for begin in (x, same_point, turned, x.to(memory_format=torch.channels_last), start(8, 3, 6, 6)[::2]):
        both(engine, MALA(0.01), rough, begin, steps=6)
    assert made(engine) == 1


def test_bfloat16_is_traced(engine):
    """The eager chain but for some roundings, much nearer to it than full precision is.

    With swish both chains round to bfloat16 at other places, so this is a network without.
    """
    net = built(lambda: MLP((2,), MLPConfig(hidden=(16, 16))), dtype=torch.float32)
    x = start(64, 2, dtype=torch.float32)
    chains = {
        (precision, compile): compiled(
            engine, Langevin(0.1), net, x, precision=precision, compile=compile
        ).position
        for precision in ("fp32", "bf16")
        for compile in (False, True)
    }
    error = (chains["bf16", True] - chains["bf16", False]).abs().mean()
    assert error < 0.05 * (chains["bf16", True] - chains["fp32", False]).abs().mean()
    assert chains["bf16", True].dtype == torch.float32 and made(engine) == 2


def test_the_last_step_keeps_its_graph(engine):
    grads = []
    for compile in (False, True):
        net = mlp().requires_grad_()
        chain = compiled(
            engine, KERNELS["shrinking"], net, start(4, 2), differentiable="last", compile=compile
        )
        chain.position.square().sum().backward()
        grads.append(tuple(p.grad for p in net.parameters() if p.grad is not None))
    assert grads[0] and made(engine) >= 1
    same(*grads)


def test_all_steps_keep_their_graph_without_a_compiler(engine):
    net = mlp().requires_grad_()
    chain = compiled(engine, Langevin(0.1), net, start(4, 2), differentiable="all")
    chain.position.sum().backward()
    assert made(engine) == 0 and any(p.grad is not None for p in net.parameters())


# What the compiler cannot do.


def by_item(x: Tensor) -> Tensor:
    return (x**2).sum(1) * (2.0 if x.sum().item() > 0 else 1.0)


def by_bytes(x: Tensor) -> Tensor:
    read = torch.frombuffer(bytearray(x.detach().numpy().tobytes()), dtype=x.dtype).view(x.shape)
    return (x**2).sum(1) * (1 + read.abs().sum(1))


@pytest.mark.parametrize(("energy", "name"), [(by_item, "annealed"), (by_bytes, "mala")])
def test_an_energy_that_cannot_be_traced(energy, name, caplog, engine):
    """The very same chain, one line in the log, and no second try; other energies are compiled still."""
    engine.longest = 2
    for _ in range(2):
        both(engine, KERNELS[name], energy, start(4, 2), fails=True, bounds=EXACT)
    assert made(engine) == 0 and len(engine.failed) == 1 and len(messages(caplog)) == 1
    assert messages(caplog)[0].startswith("chains run without compilation: ")
    compiled(engine, KERNELS[name], rough, start(4, 2))
    assert made(engine) == 1 and len(messages(caplog)) == 1


class Strengthened:
    """Another energy at every call, of the same operations."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return rough(x) * (1 + 0.01 * self.calls)


class Everything:
    """Packages that other energies have shown to be what they should be."""

    def __contains__(self, name) -> bool:
        return True

    def add(self, name) -> None: ...


def test_an_honest_package_does_not_cover_another_energy(caplog):
    """A step of every kind of chain is compared with what was traced."""
    engine = Engine(longest=2, fewest=1, packages=Interpreted())
    engine.packages.compared = Everything()
    compiled(engine, Langevin(0.1), Strengthened(), start(4, 2))
    assert len(messages(caplog)) == 1 and "another step" in messages(caplog)[0]


def test_an_energy_that_holds_the_start(engine):
    x = start(4, 2)
    both(engine, Langevin(0.1), lambda a: rough(a) + (a - x).square().sum(1), x)
    both(engine, MALA(0.1), lambda a: rough(a) * (1 + x.square().sum(1)), x)


def test_failures_can_be_forgotten(caplog, engine):
    for _ in range(2):
        compiled(engine, Langevin(0.1), by_item, start(4, 2))
        assert engine.failed
        engine.forget_failures()
    assert len(messages(caplog)) == 2 and not engine.failed


def test_a_missing_compiler(caplog, tmp_path, monkeypatch):
    """One line for the whole engine, whatever the shapes."""
    monkeypatch.setenv("CXX", "a-compiler-that-is-not-there")
    engine = Engine(longest=1, fewest=1, packages=Packages(tmp_path))
    for shape in ((4, 2), (5, 3)):
        both(engine, KERNELS["shrinking"], rough, start(*shape), steps=3, fails=True, bounds=EXACT)
    assert len(messages(caplog)) == 1 and "compiler" in messages(caplog)[0] and engine.no_compiler
    assert "\n" not in messages(caplog)[0]


def test_a_graph_that_fails_in_the_middle(caplog):
    """After two good blocks; the noise of the failed one is not drawn twice."""
    calls = []

    def failing(forward):
        def call(*args):
            calls.append(1)
            if len(calls) == 3:
                raise MemoryError("no room")
            return forward(*args)

        return call

    engine = Engine(longest=2, compiler=Tracer(failing))
    both(engine, KERNELS["annealed"], rough, start(4, 2), fails=True)
    assert len(calls) == 3 and "no room" in messages(caplog)[0] and len(messages(caplog)) == 1


def test_ctrl_c_is_heard(caplog):
    def interrupted(forward):
        def call(*args):
            raise KeyboardInterrupt

        return call

    engine = Engine(longest=1, compiler=Tracer(interrupted))
    with pytest.raises(KeyboardInterrupt):
        compiled(engine, Langevin(0.1), rough, start(4, 2))
    assert not messages(caplog) and not engine.failed


@pytest.mark.parametrize("kernel", [Langevin(0.1), MALA(0.1)])
def test_a_usage_error_in_the_energy_surfaces(kernel, caplog, engine):
    def refusing(x: Tensor) -> Tensor:
        raise UsageError("no such label")

    with pytest.raises(UsageError, match="no such label"):
        compiled(engine, kernel, refusing, start(4, 2))
    with pytest.raises(UsageError, match="one number a chain"):
        compiled(engine, kernel, lambda x: x, start(4, 2))
    assert not messages(caplog)


def test_an_error_of_the_energy_is_its_own(engine):
    def wrong(x: Tensor) -> Tensor:
        raise ZeroDivisionError("by hand")

    with pytest.raises(ZeroDivisionError, match="by hand"):
        compiled(engine, Langevin(0.1), wrong, start(4, 2))


class Counting:
    """Changes at every call, so that no graph serves twice."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return rough(x)


def test_graphs_that_never_serve_twice_are_given_up(caplog, traced):
    with torch._dynamo.config.patch(recompile_limit=3):
        both(traced, Langevin(0.1), Counting(), start(4, 2), fails=True)
    assert made(traced) == 3 and len(messages(caplog)) == 1 and "changes" in messages(caplog)[0]


def test_graphs_that_served_well_make_room_for_new_ones(caplog, traced):
    traced.well_used = 2
    with torch._dynamo.config.patch(recompile_limit=2):
        for k in range(4):
            both(traced, MALA(0.1 + 0.1 * k), rough, start(4, 2), steps=1)
    assert made(traced) == 4 and not messages(caplog)


def test_the_keys_used_last_are_held(traced):
    traced.held = 2
    for chains in (2, 3, 2, 4, 2):
        both(traced, Langevin(0.1), rough, start(chains, 2), steps=1)
    assert made(traced) == 3 and len(traced.graphs) == 2
    both(traced, Langevin(0.1), rough, start(3, 2), steps=1)
    assert made(traced) == 4


def test_an_engine_is_shared_by_threads():
    engine, errors = Engine(held=1, compiler=lambda function, device: function), []

    def ask() -> None:
        try:
            for k in range(300):
                engine.graphs_for((k % 3,), torch.device("cpu"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(engine.graphs) == 1


# Kernels of others.


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A random walk whose `kind` breaks one of the promises of a kernel that can be compiled."""

    kind: str
    exact = False
    gradients_per_step = 0

    def init(self, energy, x):
        return ChainState(x)

    def step(self, energy, state, rng):
        x, size = state.position, 1.0
        if self.kind == "counts":
            size = 1.0 / (1 + state.count)
        if self.kind == "compares" and state.count == 0:
            size = 10.0
        if self.kind == "branches" and state.count:
            size = 10.0
        x = x + size * randn_like(x, rng)
        return ChainState(x, count=state.count + 1), ChainInfo(None, torch.zeros(len(x), dtype=torch.bool))


@pytest.mark.parametrize("kind", ["plain", "counts", "compares", "branches"])
def test_a_kernel_that_looks_at_the_number_of_steps_is_not_compiled(kind, caplog, engine):
    """A graph does not know that number, and would freeze it."""
    both(engine, Foreign(kind), rough, start(4, 2), fails=kind != "plain")
    assert made(engine) == (kind == "plain") and len(messages(caplog)) == (kind != "plain")


class Moody(Foreign):
    """Draws twice once `mood` is set, which its type does not tell."""

    mood: list[bool] = []

    def step(self, energy, state, rng):
        if self.mood:
            randn_like(state.position, rng)
        return super().step(energy, state, rng)


def test_a_kernel_that_draws_otherwise_than_before_is_refused(engine):
    both(engine, Moody("plain"), rough, start(4, 2), steps=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Moody, "mood", [True])
        with pytest.raises(UsageError, match="draw alike"):
            compiled(engine, Moody("plain"), rough, start(4, 2))


# When to compile.


@pytest.mark.parametrize("value", ["yes", "atuo", None, 2])
def test_other_values_of_compile_are_refused(value):
    with pytest.raises(UsageError, match="False, True, 'auto'"):
        run(Langevin(0.1), rough, start(4, 2), steps=2, rng=generator(0), compile=value)


def by_auto(engine: Engine, steps: int, chains: int = 4) -> Chain:
    return compiled(engine, MALA(0.1), rough, start(chains, 2), steps, compile="auto")


def test_auto_compiles_after_many_steps(engine):
    """Counted over runs, and for each kind of chain by itself; the rest of a run is compiled too."""
    engine.auto_after = 10
    same(by_auto(Engine(), 9), by_auto(engine, 9), **EXACT)
    by_auto(engine, 9, chains=5)
    assert made(engine) == 0
    same(by_auto(Engine(), 5), by_auto(engine, 5))
    assert made(engine) == 1
    by_auto(engine, 1, chains=5)
    assert made(engine) == 1
    by_auto(engine, 1, chains=5)
    assert made(engine) == 2


def test_auto_does_not_depend_on_the_clock():
    """Chains repeat bit for bit from one engine to the next."""
    chains = [by_auto(Engine(longest=2, auto_after=3, compiler=Tracer()), 9) for _ in range(2)]
    same(*chains, **EXACT)


def test_auto_leaves_a_short_job_alone(traced):
    plain = run(MALA(0.1), rough, start(4, 2), steps=300, rng=generator(5))
    same(plain, by_auto(traced, 300), **EXACT)
    assert traced.compiler.functions == 0


def test_auto_in_a_short_job_loads_no_compiler():
    code = (
        "import sys, torch, gibbsian as gb\n"
        "x = torch.zeros(4, 2)\n"
        "gb.run(gb.MALA(.1), lambda x: x.square().sum(1), x, steps=20, rng=gb.generator(0), compile='auto')\n"
        "sys.exit('torch._inductor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# The real compiler.


@needs_compiler
def test_generated_code_of_a_small_network(caplog):
    """All rewrites take part: products with a bias, of two columns, of one; gates and their derivative."""
    net = built(lambda: MLP((2,), MLPConfig(hidden=(16, 16), activation="swish")))
    both(Engine(longest=2, fewest=1), Langevin(0.1, clamp=(-2.0, 2.0)), net, start(8, 2), steps=12)
    assert not messages(caplog)


@pytest.mark.slow
@needs_compiler
def test_generated_code_of_a_convolution(caplog):
    net = built(
        lambda: ConvNet((1, 6, 6), ConvConfig(channels=(4, 4), strides=(2, 1))).to(
            memory_format=torch.channels_last
        )
    )
    both(Engine(longest=1, fewest=1), Langevin(0.01), net, start(3, 1, 6, 6), steps=12)
    assert not messages(caplog)


class Skipped(nn.Module):
    """Products large enough for oneDNN, with a sum behind one, which the compiler draws into it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(32, 256), nn.Linear(256, 256), nn.Linear(256, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.nn.functional.silu(self.first(x))
        return self.last(torch.nn.functional.silu(self.second(h) + h))[:, 0]


@pytest.mark.slow
@needs_compiler
def test_generated_code_of_large_products(caplog):
    net = built(Skipped, dtype=torch.float32)
    x = start(600, 32, dtype=torch.float32)
    close = {"rtol": 1e-3, "atol": 1e-4}
    both(Engine(longest=2, fewest=1), Langevin(0.01), net, x, steps=4, bounds=close)
    assert not messages(caplog)


@pytest.mark.slow
@needs_compiler
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", KERNELS)
def test_generated_code_of_every_kernel(name, caplog):
    both(Engine(longest=3, fewest=1), KERNELS[name], mlp(event=3), start(6, 3), steps=12)
    assert not messages(caplog)
