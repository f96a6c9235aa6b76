"""What every kernel promises. A new kernel joins by one line in KERNELS."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.position import leaves, tree_map
from gibbsian.core.random import generator
from gibbsian.energies.analytic import Gaussian
from gibbsian.mcmc import (
    HMC,
    MALA,
    NUTS,
    Heun,
    IndependentMH,
    Langevin,
    Underdamped,
    run,
)

KERNELS = {
    "langevin": Langevin(0.1),
    "descent": Langevin(0.1, temperature=0.0),
    "noise-first": Langevin(0.1, noise_first=True),
    "clipped-value": Langevin(0.1, clip_value=0.3),
    "clipped-norm": Langevin(0.1, clip_norm=0.5),
    "clamped": Langevin(0.1, clamp=(-1.0, 1.0)),
    "scheduled": Langevin(0.1, temperature_schedule=lambda k: 1.0 / (1 + k)),
    "later": Langevin(0.1, step_size_schedule=lambda k: 0.1 / (1 + k), start_step=3),
    "igebm": Langevin(20.0, 1.25e-6, noise_first=True, clip_value=0.01, clamp=(0.0, 1.0)),
    "mala": MALA(0.3, temperature=0.7),
    "hmc": HMC(0.4, leapfrogs=3, temperature=0.7, jitter=0.2),
    "nuts": NUTS(0.4, temperature=0.7),
    "baoab": Underdamped(0.3, friction=1.0),
    "aboba": Underdamped(0.3, friction=1.0, splitting="aboba"),
    "obabo": Underdamped(0.3, friction=1.0, splitting="obabo"),
    "ghmc": Underdamped(0.6, friction=1.0, splitting="obabo", metropolis=True, leapfrogs=2),
    "independent": IndependentMH(),
    "heun": Heun(0.1),
}
EXACT = {"mala", "hmc", "nuts", "ghmc", "independent"}
CACHING = {"mala", "hmc", "nuts", "baoab", "obabo", "ghmc", "independent"}
WITHOUT_GRADIENT = {"independent"}
WITHOUT_NOISE = {"descent", "heun"}
DIFFERENTIABLE = {k for k, kernel in KERNELS.items() if isinstance(kernel, Langevin)}

every_kernel = pytest.mark.parametrize("name", KERNELS)


class Counting:
    """A rough energy on positions of any structure that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x) -> Tensor:
        self.calls += 1
        return sum((a.pow(2) / 2 + a.cos()).flatten(1).sum(1) * (i + 1) for i, a in enumerate(leaves(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.SiLU(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0]


def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


def start(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator(1), dtype=dtype)


@every_kernel
@pytest.mark.parametrize(
    "x",
    [start(5, 2), start(5, 3, 8, 8), start(5, 1), (start(5, 3), start(5, 1, 4, 4)), start(5, 2).float()],
    ids=["vector", "image", "number", "pair", "float32"],
)
def test_positions_of_any_structure(name, x):
    chain = run(KERNELS[name], Counting(), x, steps=4, rng=generator(0), thin=2)
    for part, end, kept in zip(leaves(x), leaves(chain.position), leaves(chain.trace), strict=True):
        assert end.shape == part.shape and end.dtype == part.dtype and not end.requires_grad
        assert kept.shape == (2, *part.shape) and torch.equal(kept[-1], end)
        assert not torch.equal(end, part)
    assert chain.energy.shape == (5,) and chain.info.divergent.shape == (5,) and chain.state.count == 4
    torch.testing.assert_close(chain.energy, Counting()(chain.position), rtol=1e-6, atol=1e-6)


@every_kernel
def test_the_start_is_left_alone(name):
    x = start(5, 2)
    before = x.clone()
    run(KERNELS[name], Counting(), x, steps=3, rng=generator(0))
    assert torch.equal(x, before)


@every_kernel
def test_cached_energy_and_gradient_are_those_of_the_position(name):
    """After many steps with both acceptances and rejections; catches a cache that went stale."""
    kernel = KERNELS[name]
    energy = Counting()
    x = tree_map(lambda a: 2 * a, (start(64, 3), start(64, 2)))
    chain = run(kernel, energy, x, steps=7, rng=generator(3))
    assert (chain.state.energy is not None) == (name in CACHING)
    assert (chain.state.grad is not None) == (name in CACHING - WITHOUT_GRADIENT)
    if name not in CACHING:
        return
    e, grad = value_and_grad(energy, chain.position)
    torch.testing.assert_close(chain.state.energy, e)
    if name not in WITHOUT_GRADIENT:
        torch.testing.assert_close(chain.state.grad, grad)
    if kernel.exact:
        assert 0.05 < chain.info.acceptance.mean() < 0.99


@every_kernel
def test_gradients_are_counted_and_not_wasted(name):
    kernel, energy = KERNELS[name], Counting()
    chain = run(kernel, energy, start(5, 2), steps=6, rng=generator(0), evaluate=False, replay=False)
    if name in WITHOUT_GRADIENT:
        assert (energy.calls, chain.info.gradients) == (7, 0)
    elif chain.info.trajectory is not None:  # in step: as many calls as the longest trajectory of each step
        assert chain.info.gradients <= energy.calls <= 1 + 6 * 31
        assert chain.info.gradients == 1 + round(6 * float(chain.info.trajectory.mean()))
    else:
        assert energy.calls == chain.info.gradients == 6 * kernel.gradients_per_step + (name in CACHING)
    assert (chain.energy is None) == (name not in CACHING)


@every_kernel
def test_same_seed_same_chain_and_another_seed_another(name):
    def end(seed: int) -> Tensor:
        return run(KERNELS[name], Counting(), start(5, 2), steps=5, rng=generator(seed)).position

    assert torch.equal(end(0), end(0))
    assert torch.equal(end(0), end(1)) == (name in WITHOUT_NOISE)


@every_kernel
def test_global_stream_and_parameters_are_untouched(name):
    model = net()
    before = [p.detach().clone() for p in model.parameters()]
    state = torch.get_rng_state()
    run(KERNELS[name], model, start(5, 3, 2, 2, dtype=torch.float32), steps=3, rng=generator(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


@every_kernel
def test_a_chain_goes_on_from_its_state(name):
    kernel, energy = KERNELS[name], Counting()
    whole = run(kernel, energy, start(5, 2), steps=6, rng=generator(0))
    rng = generator(0)
    half = run(kernel, energy, start(5, 2), steps=3, rng=rng)
    rest = run(kernel, energy, half.state, steps=3, rng=rng)
    assert torch.equal(whole.position, rest.position)
    assert whole.info.gradients == half.info.gradients + rest.info.gradients


@every_kernel
def test_chains_do_not_depend_on_one_another(name):
    """A chain at NaN beside others: the others go on as if it were sound, and it alone is flagged."""
    x = start(4, 2)
    sound = run(KERNELS[name], Counting(), x, steps=5, rng=generator(0))
    x[1] = float("nan")
    chain = run(KERNELS[name], Counting(), x, steps=5, rng=generator(0))
    others = torch.tensor([True, False, True, True])
    assert torch.equal(chain.info.divergent, ~others)
    assert torch.equal(chain.position[others], sound.position[others])
    for number in (chain.info.acceptance, chain.info.drift_noise, chain.info.clipped, chain.info.saturated):
        assert number is None or number.isfinite().all()


@every_kernel
def test_bf16_is_refused_by_metropolis_kernels_only(name):
    x = start(5, 3, 2, 2, dtype=torch.float32)
    if name in EXACT:
        with pytest.raises(UsageError, match="bf16"):
            run(KERNELS[name], net(), x, steps=1, rng=generator(0), precision="bf16")
        return
    chain = run(KERNELS[name], net(), x, steps=3, rng=generator(0), precision="bf16")
    full = run(KERNELS[name], net(), x, steps=3, rng=generator(0))
    assert chain.position.dtype == chain.energy.dtype == torch.float32
    assert not torch.equal(chain.energy, full.energy)
    torch.testing.assert_close(chain.position, full.position, rtol=0.05, atol=0.05)


@every_kernel
def test_graphs_are_kept_by_the_langevin_family_only(name):
    x = start(5, 3, 2, 2, dtype=torch.float32)
    if name not in DIFFERENTIABLE:
        with pytest.raises(UsageError, match="graph"):
            run(KERNELS[name], net(), x, steps=2, rng=generator(0), differentiable="last")
        return
    model = net()
    plain = run(KERNELS[name], model, x, steps=2, rng=generator(0))
    chain = run(KERNELS[name], model, x, steps=2, rng=generator(0), differentiable="last")
    torch.testing.assert_close(chain.position, plain.position)
    assert chain.position.requires_grad and not chain.energy.requires_grad


@every_kernel
def test_only_langevin_can_be_clipped_clamped_or_scheduled(name):
    """A clamped proposal behind an acceptance ratio would bias the chain."""
    for option in ({"noise_first": True}, {"clip_norm": 9.0}, {"clamp": (-9.0, 9.0)}, {"start_step": 2}):
        if name in DIFFERENTIABLE and not KERNELS[name].clip_value:
            dataclasses.replace(KERNELS[name], **option)
        elif name not in DIFFERENTIABLE and name != "independent":
            with pytest.raises((TypeError, UsageError), match=next(iter(option))):
                dataclasses.replace(KERNELS[name], **option)


@every_kernel
def test_exact_says_what_it_is_and_kernels_are_frozen(name):
    kernel = KERNELS[name]
    assert kernel.exact == (name in EXACT)
    with pytest.raises(dataclasses.FrozenInstanceError):
        kernel.step_size = 1.0
    assert dataclasses.replace(kernel) == kernel and hash(dataclasses.replace(kernel)) == hash(kernel)


@pytest.mark.parametrize("step_size", [0.0, -0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("make", [Langevin, MALA, HMC, lambda s: Underdamped(s, friction=1.0)])
def test_step_sizes_out_of_range_are_refused_in_one_line(make, step_size):
    with pytest.raises(UsageError, match="step_size is") as error:
        make(step_size)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(EXACT - WITHOUT_GRADIENT))
def test_temperature_scale_and_step_are_one(name):
    """(E, s, T) and (E/T, s T, 1) are the same chain (h sqrt(T) for kernels with a velocity)."""
    target = Gaussian([0.0, 1.0], [[1.0, 0.3], [0.3, 0.5]])
    cold = dataclasses.replace(KERNELS[name], temperature=0.25)
    changes = {"temperature": 1.0, "step_size": cold.step_size * (0.25 if name == "mala" else 0.5)}
    if name == "ghmc":
        changes["friction"] = cold.friction * 2
    warm = dataclasses.replace(cold, **changes)
    a = run(cold, target, start(50, 2), steps=9, rng=generator(0))
    b = run(warm, lambda x: target(x) / 0.25, start(50, 2), steps=9, rng=generator(0))
    torch.testing.assert_close(a.position, b.position)
    torch.testing.assert_close(a.info.acceptance, b.info.acceptance)
