"""One update: gradient accumulation, groups, gradients, devices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch, Loss
from gibbsian.core.spec import DataSpec
from gibbsian.models import contrastive_learner as module
from gibbsian.models.learner import Learner
from gibbsian.models.model import EnergyModel
from gibbsian.train.settings import TrainConfig
from gibbsian.train.update import Step, Updater

MLP = {
    "net.name": "mlp",
    "net.hidden": [16],
    "net.activation": "swish",
    "chain.steps": 2,
    "start.capacity": 64,
}


class ToyModel(EnergyModel):
    """A linear energy and a linear generator in double precision, all weights .3."""

    def __init__(self) -> None:
        super().__init__(DataSpec((2,), -1.0, 1.0))
        self.energy_net, self.generator = nn.Linear(2, 1).double(), nn.Linear(2, 2).double()
        for p in self.parameters():
            nn.init.constant_(p, 0.3)

    def energy(self, x, y=None):
        return self.energy_net(x)[:, 0]

    def neg_log_prob(self, x, y=None):
        return self.energy(x)


class Toy(Learner):
    """A deterministic loss with two groups, so that gradients can be compared exactly."""

    def __init__(self, yields: int = 2) -> None:
        super().__init__(None, ToyModel())
        self.yields, self.order = yields, []

    @property
    def energy_net(self) -> nn.Module:
        return self.model.energy_net

    def parameter_groups(self) -> dict[str, nn.Module]:
        return {"energy": self.model.energy_net, "generator": self.model.generator}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        self.order.append(f"draw {len(batch)}")
        made = self.model.generator(batch.x)
        yield "energy", Loss((self.energy_net(batch.x) ** 2).mean(), {"seen": batch.x.sum()})
        if self.yields > 1:
            yield "generator", Loss((self.energy_net(made) ** 3).mean())
        self.order.append(f"write {len(batch)}")


def step(number: int = 0) -> Step:
    return Step(number, 0.01, torch.Generator().manual_seed(0))


def data(n: int = 12) -> Batch:
    return Batch(torch.linspace(-1, 1, 2 * n, dtype=torch.float64).reshape(n, 2))


def test_micro_batches_sum_to_the_full_gradient() -> None:
    """Exact up to rounding: float64, 1e-12."""
    found = []
    for parts in (1, 2, 3, 4):
        learner = Toy()
        metrics = Updater(learner, TrainConfig(batch_size=12, accumulate=parts), lambda m: None)(
            data(), step()
        )
        found.append((torch.cat([p.flatten() for p in learner.parameters()]), metrics))
    for weights, metrics in found[1:]:
        torch.testing.assert_close(weights, found[0][0], rtol=1e-12, atol=1e-12)
        for key in ("energy_grad_norm", "energy_loss", "generator_grad_norm", "generator_loss"):
            assert metrics[key] == pytest.approx(found[0][1][key], rel=1e-6)


def test_generators_run_in_lockstep_and_draw_before_any_writes() -> None:
    learner = Toy()
    Updater(learner, TrainConfig(batch_size=12, accumulate=3), lambda m: None)(data(), step())
    assert learner.order == ["draw 4"] * 3 + ["write 4"] * 3


def test_one_optimiser_step_a_round(monkeypatch) -> None:
    learner = Toy()
    updater = Updater(learner, TrainConfig(batch_size=12, accumulate=4), lambda m: None)
    calls: list[str] = []
    for name, optimizer in updater.optimizers.items():
        plain = optimizer.step
        monkeypatch.setattr(optimizer, "step", lambda name=name, plain=plain: (calls.append(name), plain()))
    updater(data(), step())
    assert calls == ["energy", "generator"]


@pytest.mark.parametrize(("number", "energy", "made"), [(0, 1.0, 3.0), (4, 0.5, 0.0), (9, 2.0, 0.25)])
def test_each_group_steps_at_its_own_rate(number, energy, made, monkeypatch) -> None:
    """Adam's first step is the rate in every weight with a gradient."""
    learner = Toy()
    rates = {("energy", number): energy, ("generator", number): made}
    monkeypatch.setattr(learner, "lr_multiplier", lambda group, step: rates[group, step], raising=False)
    Updater(learner, TrainConfig(batch_size=12), lambda m: None)(data(), step(number))
    moved = [(m.weight - 0.3).abs() for m in learner.parameter_groups().values()]
    for found, rate in zip(moved, (energy, made), strict=True):
        torch.testing.assert_close(found, torch.full_like(found, 0.01 * rate), rtol=1e-4, atol=1e-9)


def test_buffer_draws_of_micro_batches_are_disjoint(tiny_run, monkeypatch) -> None:
    trainer = tiny_run("igebm", "toy:ring", {**MLP, "train.accumulate": 4, "start.reinit": 0.0}).trainer
    buffer, slots = trainer.learner.buffer, []
    plain = buffer.draw
    monkeypatch.setattr(buffer, "draw", lambda *a, **k: (slots.append(plain(*a, **k)), slots[-1])[1])
    trainer.update()
    drawn = torch.cat([t.slots for t in slots])
    assert len(slots) == 4 and len(drawn.unique()) == 16
    assert int((buffer.age == 1).sum()) == 16 and not buffer.held.any()


def test_micro_batches_on_equal_chain_ends_give_the_gradient_of_one_batch(tiny_run, monkeypatch) -> None:
    """The whole contrastive loss, with the chains replaced by fixed ends."""
    real = module.chain_ends
    pool = torch.linspace(-1, 1, 32).reshape(16, 2)
    found = []
    for parts in (1, 4):
        trainer = tiny_run(
            "igebm", "toy:ring", {**MLP, "train.accumulate": parts, "pixels.dequantize": False}
        ).trainer
        place = iter(range(4))

        def fixed(*args, parts=parts, place=place, **kw):
            ends, k = real(*args, **kw), next(place)
            return ends._replace(x=pool[k * (16 // parts) : (k + 1) * (16 // parts)])

        monkeypatch.setattr(module, "chain_ends", fixed)
        trainer.update()
        found.append(torch.cat([p.grad.flatten() for p in trainer.model.net.parameters()]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-7)


def test_losses_that_are_no_means_refuse_accumulation(tiny_run) -> None:
    with pytest.raises(UsageError, match="no mean over samples"):
        tiny_run("igebm", "toy:ring", {**MLP, "train.accumulate": 2, "loss.objective": "logsumexp"})
    tiny_run(
        "igebm", "toy:ring", {**MLP, "train.accumulate": 2, "loss.objective": "softplus"}
    ).trainer.update()


def test_examine_comes_before_the_step() -> None:
    learner = Toy(yields=1)
    before = [p.clone() for p in learner.parameters()]

    def refuse(metrics):
        raise ValueError(f"seen {metrics['seen']:.0f}")

    with pytest.raises(ValueError, match="seen"):
        Updater(learner, TrainConfig(batch_size=12), refuse)(data(), step())
    assert all(torch.equal(a, b) for a, b in zip(before, learner.parameters(), strict=True))
    assert learner.order == ["draw 12"], "an update that was refused wrote to the buffer"


def test_micro_batches_that_disagree_are_an_error() -> None:
    class Odd(Toy):
        def losses(self, batch, step, rng):
            yield from list(super().losses(batch, step, rng))[: 2 if batch.x[0, 0] < 0 else 1]

    with pytest.raises(RuntimeError, match="disagree|different numbers"):
        Updater(Odd(), TrainConfig(batch_size=12, accumulate=2), lambda m: None)(data(), step())


def test_a_network_of_ones_own_may_draw_from_the_global_stream() -> None:
    class Noisy(Toy):
        def losses(self, batch, step, rng):
            yield "energy", Loss((self.energy_net(nn.functional.dropout(batch.x, 0.5)) ** 2).mean())

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = Noisy(), Noisy()
    for learner, seed in ((first, 3), (second, 4)):
        torch.manual_seed(1) if seed == 3 else None
        Updater(learner, TrainConfig(batch_size=12), lambda m: None)(data(), step())
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.energy_net.weight, second.energy_net.weight)


def test_batches_and_streams_live_where_the_model_does(tiny_run) -> None:
    """torchebm caches the sampler's device at construction; here the trainer asks the weights."""
    trainer = tiny_run("igebm", "toy:ring", MLP).trainer
    assert trainer.device == next(trainer.learner.parameters()).device
    assert trainer.streams.chain.device == trainer.device
    trainer.update()
    assert trainer.last_batch.x.device == trainer.device


@pytest.mark.gpu
def test_one_update_on_a_gpu(tiny_run) -> None:
    trainer = tiny_run("igebm", "digits", {**MLP, "net.dropout": 0.0}, device="cuda").trainer
    before = torch.cuda.get_rng_state()
    trainer.update()
    assert trainer.learner.buffer.stored.device.type == "cuda"
    assert torch.equal(before, torch.cuda.get_rng_state())


class Transformed(Toy):
    """Gradients are made ten thousand times smaller before they are clipped."""

    def transform_gradients(self, group: str) -> None:
        for p in self.parameter_groups()[group].parameters():
            if p.grad is not None:
                p.grad.mul_(1e-4)


def test_the_bound_on_the_norm_is_that_of_transformed_gradients() -> None:
    """They are within the bound, so that nothing is left to clip."""
    learner = Transformed(yields=1)
    updater = Updater(learner, TrainConfig(clip_norm=1.0), lambda metrics: None)
    x = 10 * torch.ones(4, 2, dtype=torch.float64)
    norm = updater(Batch(x), Step(0, 1e-3, torch.Generator().manual_seed(0)))["energy_grad_norm"]
    left = torch.cat([p.grad.flatten() for p in learner.energy_net.parameters()]).norm()
    assert norm > 10 and float(left) == pytest.approx(1e-4 * norm)


class Broken(Toy):
    """A learner that breaks its contract in one place."""

    def __init__(self, groups, made) -> None:
        super().__init__()
        self.groups, self.made = groups, made

    def parameter_groups(self):
        return {"energy": self.energy_net} if self.groups is None else self.groups

    def losses(self, batch, step, rng):
        return self.made(self.energy_net(batch.x).mean())


@pytest.mark.parametrize(
    ("groups", "made", "said"),
    [
        (nn.Linear(2, 1), None, "parameter_groups returned Linear.*modules by name"),
        ({"energy": [torch.zeros(2)]}, None, "parameter_groups returned.*modules by name"),
        (None, lambda e: Loss(e), r"losses returned Loss.*yield pairs"),
        (None, lambda e: iter([("energy", Loss(e))]), r"losses returned.*yield pairs"),
        (None, lambda e: (pair for pair in [("net", Loss(e))]), r"losses yielded \('net'.*\(energy\)"),
        (None, lambda e: (pair for pair in [("energy", e)]), "losses yielded.*gibbsian.Loss"),
        (None, lambda e: (loss for loss in [Loss(e)]), "losses yielded Loss.*gibbsian.Loss"),
    ],
)
def test_a_broken_contract_is_one_line(groups, made, said):
    with pytest.raises(UsageError, match=rf"^Broken\.{said}"):
        updater = Updater(Broken(groups, made), TrainConfig(), lambda metrics: None)
        updater(Batch(torch.zeros(4, 2, dtype=torch.float64)), step())
