"""JEM: its terms against torch, its distributions against exact ones, its labels against their absence."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gibbsian.models.jem.learner as module
from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch
from gibbsian.data.few import few
from gibbsian.data.settings import PixelConfig
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.build import build
from gibbsian.models.capabilities import Scalable, offered
from gibbsian.models.jem.config import JEMConfig, JEMLossConfig
from gibbsian.models.jem.learner import JEM
from gibbsian.models.joint_energy import JointEnergy
from gibbsian.models.samples import draw_samples, run_stages
from gibbsian.nets.settings import ConvConfig, MLPConfig
from gibbsian.starts.settings import StartConfig
from gibbsian.train.recipes import presets
from gibbsian.train.settings import TrainConfig
from gibbsian.train.trainer import Trainer

MLP = {"net.name": "mlp", "net.hidden": [16], "chain.steps": 3, "start.capacity": 80}
DIGITS = {**MLP, "net.classes": 10}
PLAIN = {**DIGITS, "loss.w_x": 0.0}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(trainer: Trainer, n: int = 16) -> Batch:
    return trainer.data.batch(torch.arange(n), *trainer.pixel_range())


def only(learner: JEM, batch: Batch, seed: int = 0):
    """The loss of one update, whose chains are written back."""
    ((group, loss),) = learner.losses(batch, 0, rng(seed))
    assert group == "energy"
    return loss


@pytest.fixture
def noted(monkeypatch):
    """Energy, start and ends of all chains that training ran."""
    found, real = [], module.chain_ends

    def noting(model, start, *rest, energy, **more):
        found.append((energy, start, real(model, start, *rest, energy=energy, **more)))
        return found[-1][2]

    monkeypatch.setattr(module, "chain_ends", noting)
    return found


# -- the distribution -----------------------------------------------------------------------------------


def test_the_energy_is_that_of_the_joint_distribution(tiny_run) -> None:
    trainer = tiny_run("jem", "digits", DIGITS).trainer
    model, batch = trainer.model.eval(), batch_of(trainer)
    f, t = model.logits(batch.x), model.temperature
    each = torch.arange(16)
    torch.testing.assert_close(model.energy(batch.x), -f.exp().sum(1).log())
    torch.testing.assert_close(model.energy(batch.x, batch.y), -f[each, batch.y])
    torch.testing.assert_close(t * model.neg_log_prob(batch.x), -f.logsumexp(1))
    torch.testing.assert_close(t * model.neg_log_prob(batch.x, batch.y), -f[each, batch.y])
    p = (model.energy(batch.x) - model.energy(batch.x, batch.y)).exp()
    torch.testing.assert_close(p, f.softmax(1)[each, batch.y])
    assert model.joint and f.shape == (16, 10)


class Normals(nn.Module):
    """f(x)[y] = log w_y + log N(x; m_y, s_y^2) of points on a line."""

    def __init__(self, weights: list[float], means: list[float], scales: list[float]) -> None:
        super().__init__()
        self.weights, self.means, self.scales = (torch.tensor(v) for v in (weights, means, scales))
        self.at = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = (x - self.means) / self.scales
        return self.weights.log() - self.scales.log() - z.square() / 2 + self.at


@pytest.fixture
def line() -> JointEnergy:
    """A JEM at temperature 1 of two classes that overlap."""
    chain = ChainConfig(steps=150, step_size=0.1, noise=math.sqrt(0.1))
    net = MLPConfig(hidden=(4,), classes=2, head="logits")
    config = JEMConfig(net, chain, start=StartConfig(capacity=10), pixels=PixelConfig(-3.0, 3.0))
    learner = build("jem", config, (1,), rng(), Normals([0.3, 0.7], [-0.5, 0.5], [0.8, 0.6]))
    return learner.model.eval()


def test_chains_with_a_label_follow_the_conditional(line) -> None:
    """Moments of 4,000 exact draws lie within 5 deviations (false alarm 6e-7); ULA's variance is
    1 / (l (1 - s l / 4)) with l = 1 / s_y^2."""
    n = 4000
    assert line.temperature == pytest.approx(1.0) and line.claims_density
    for y, (mean, scale) in enumerate([(-0.5, 0.8), (0.5, 0.6)]):
        x = line.sample(n, rng=rng(y), y=torch.full((n,), y), chunk=n).x[:, 0]
        variance = scale**2 / (1 - 0.1 / scale**2 / 4)
        assert abs(float(x.mean()) - mean) < 5 * math.sqrt(variance / n)
        assert abs(float(x.var()) - variance) < 5 * variance * math.sqrt(2 / n)
    # Sorting chains of p(x) by the model's answer would leave no sample whose answer is another class.
    asked = line.sample(n, rng=rng(9), y=torch.zeros(n, dtype=torch.long), chunk=n).x
    assert (line.logits(asked).argmax(1) == 1).float().mean() > 0.2


def test_chains_without_a_label_follow_the_marginal(line) -> None:
    n = 4000
    x = draw_samples(line, line.sampler(), n, rng=rng(), chunk=n).x[:, 0]
    mean = 0.3 * -0.5 + 0.7 * 0.5
    square = 0.3 * (0.64 + 0.25) + 0.7 * (0.36 + 0.25)
    variance = square - mean**2
    assert abs(float(x.mean()) - mean) < 5 * math.sqrt(variance / n)
    assert abs(float(x.var()) / variance - 1) < 0.15, "5 deviations, and the bias of a step of .1"


def test_temperature_is_of_the_chain_and_the_toy_has_one_distribution(tiny_run) -> None:
    toy = tiny_run("jem", "toy:ring", {**MLP, "net.classes": 8, "chain.step_size": 0.01, "chain.noise": 0.1})
    assert toy.trainer.model.temperature == pytest.approx(1.0) and toy.trainer.model.claims_density
    assert presets("jem")["toy"].model.chain.temperature == pytest.approx(1.0)
    assert presets("jem")["cifar10-paper"].model.chain.temperature == pytest.approx(5e-5)


# -- the terms of the loss -------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_contrasts_it_is_a_plain_classifier(smoothing, tiny_run, noted) -> None:
    trainer = tiny_run("jem", "digits", {**PLAIN, "loss.label_smoothing": smoothing}).trainer
    learner, other = trainer.learner, copy.deepcopy(trainer.model.net)
    stored = learner.buffer.stored.clone()
    metrics = trainer.update()
    x, y = trainer.last_batch.x, trainer.last_batch.y
    optimizer = torch.optim.Adam(other.parameters(), lr=trainer.config.lr)
    wanted = F.cross_entropy(other.logits(x), y, label_smoothing=smoothing)
    right = float((other.logits(x).argmax(1) == y).float().mean())
    wanted.backward()
    optimizer.step()
    assert metrics["loss"] == pytest.approx(float(wanted.detach()), rel=1e-6)
    assert metrics["accuracy"] == pytest.approx(right)
    for p, q in zip(learner.model.net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    assert not noted and torch.equal(stored, learner.buffer.stored) and "energy_gap" not in metrics
    stream = rng()
    list(learner.losses(trainer.last_batch, 0, stream))
    assert torch.equal(stream.get_state(), rng().get_state()), "nothing is drawn"


def test_the_contrast_is_of_the_marginal_energy(tiny_run, noted) -> None:
    trainer = tiny_run(
        "jem", "digits", {**DIGITS, "loss.w_y": 0.0, "loss.w_x": 0.5, "pixels.noise": 0.0}
    ).trainer
    learner, batch = trainer.learner, batch_of(trainer)
    loss = only(learner, batch)
    ((_, _, ends),) = noted
    e_pos, e_neg = (-learner.model.net.logits(x).logsumexp(1) for x in (batch.x, ends.x))
    torch.testing.assert_close(loss.value, 0.5 * (e_pos.mean() - e_neg.mean()))
    torch.testing.assert_close(loss.metrics["energy_gap"], (e_pos.mean() - e_neg.mean()).detach())
    assert "accuracy" not in loss.metrics


def test_the_joint_contrast_has_chains_of_the_labels_of_the_batch(tiny_run, noted) -> None:
    changes = {**DIGITS, "loss.w_y": 0.0, "loss.w_x": 0.0, "loss.w_xy": 1.0, "pixels.noise": 0.0}
    trainer = tiny_run("jem", "digits", changes).trainer
    learner, batch = trainer.learner, batch_of(trainer)
    loss = only(learner, batch)
    ((energy, drawn, ends),) = noted
    assert torch.equal(drawn.y, batch.y)
    torch.testing.assert_close(energy(ends.x), -learner.model.net.logits(ends.x)[torch.arange(16), batch.y])
    e_pos, e_neg = (-learner.model.net.logits(x)[torch.arange(16), batch.y] for x in (batch.x, ends.x))
    torch.testing.assert_close(loss.value, e_pos.mean() - e_neg.mean())


def test_the_terms_add_up(tiny_run, noted) -> None:
    trainer = tiny_run("jem", "digits", {**DIGITS, "loss.w_y": 2.0, "loss.w_xy": 0.25}).trainer
    loss = only(trainer.learner, batch_of(trainer))
    parts = [loss.metrics[k] for k in ("cross_entropy", "energy_gap", "energy_gap_xy")]
    torch.testing.assert_close(loss.value.detach(), 2 * parts[0] + parts[1] + 0.25 * parts[2])
    slots = torch.cat([drawn.slots for _, drawn, _ in noted])
    assert len(noted) == 2 and len(slots.unique()) == 32, "both terms hold chains of their own"


def test_classes_are_learnt_from_clean_data_and_the_density_from_smoothed(tiny_run) -> None:
    """One batch, noise that drowns it: only the contrast and the released code's option see it."""
    clean, noisy, both = (
        tiny_run("jem", "digits", {**DIGITS, "pixels.noise": s, "loss.smoothed": flag}).trainer
        for s, flag in [(0.0, False), (50.0, False), (50.0, True)]
    )
    batch = batch_of(clean)
    a, b, c = (only(t.learner, batch).metrics for t in (clean, noisy, both))
    assert a["cross_entropy"] == b["cross_entropy"] != c["cross_entropy"]
    assert a["energy_pos"] != b["energy_pos"]


def test_ancestral_negatives_are_chains_of_uniform_classes(tiny_run, noted) -> None:
    trainer = tiny_run("jem", "digits", {**DIGITS, "loss.ancestral": True, "loss.w_y": 0.0}).trainer
    learner, batch = trainer.learner, batch_of(trainer, 64)
    loss = only(learner, batch)
    ((energy, drawn, ends),) = noted
    torch.testing.assert_close(energy(ends.x), -learner.model.net.logits(ends.x)[torch.arange(64), drawn.y])
    torch.testing.assert_close(
        loss.metrics["energy_neg"], -learner.model.net.logits(ends.x).logsumexp(1).mean().detach()
    )
    assert len(drawn.y.unique()) == 10 and not torch.equal(drawn.y, batch.y)


# -- the buffer's parts ----------------------------------------------------------------------------------


def test_every_chain_keeps_the_class_of_its_slot(tiny_run, noted) -> None:
    trainer = tiny_run("jem", "digits", {**DIGITS, "loss.w_xy": 1.0, "start.capacity": 400}).trainer
    buffer = trainer.learner.buffer
    before = buffer.label.clone()
    for _ in range(4):
        trainer.update()
    assert torch.equal(before, buffer.label) and torch.equal(before, torch.arange(400) % 10)
    for _, drawn, _ in noted[1::2]:
        assert torch.equal(buffer.label[drawn.slots], drawn.y), "p(x | y) goes on from chains of its class"


def test_stored_chains_go_on_under_the_distribution_asked_for(tiny_run) -> None:
    trainer = tiny_run("jem", "digits", {**DIGITS, "start.reinit": 0.0}).trainer
    trainer.update()
    learner, y = trainer.learner.eval(), torch.tensor([3, 3, 7])
    stored = learner.samplers()["buffer"]
    of_class, of_all = next(stored.stages(3, rng(), y=y)), next(stored.stages(3, rng()))
    for x, label in zip(of_class.position, y, strict=True):
        assert label in learner.buffer.label[(learner.buffer.stored == x).flatten(1).all(1)]
    x = of_class.position
    torch.testing.assert_close(of_class.energy(x), -learner.model.logits(x)[torch.arange(3), y])
    torch.testing.assert_close(of_all.energy(x), -learner.model.logits(x).logsumexp(1))
    assert run_stages(stored.stages(3, rng(), y=y, steps=2), rng())[-1].position.shape == (3, 1, 8, 8)
    assert not learner.buffer.held.any()
    with pytest.raises(UsageError, match="81 chains of a buffer of 80"):
        next(stored.stages(81, rng()))


# -- labels that are hidden ------------------------------------------------------------------------------

FEW = {**DIGITS, "labelled": 2, "loss.w_xy": 0.5, "start.capacity": 400}


def curve(config, data) -> list[dict[str, float]]:
    """What four updates log."""
    learner = build("jem", config, data.event_shape, rng(5))
    trainer = Trainer(learner, data, TrainConfig(steps=4, batch_size=32, lr=1e-2))
    return [trainer.update() for _ in range(4)]


def test_hidden_labels_change_nothing_and_seen_ones_do(tiny_run, small_data) -> None:
    data, config = small_data("digits"), tiny_run("jem", "digits", FEW).config.model
    seen = set(rows_of(data, few(data, 2)))
    hidden = torch.tensor([i not in seen for i in range(len(data))])
    last = max(place for place, row in enumerate(order(len(data))) if row in seen)
    late = torch.zeros(len(data), dtype=torch.bool)
    late[order(len(data))[last + 1 :]] = True
    assert late.sum() > 50 and not (late & ~hidden).any()
    flipped = replace(data, y=torch.where(late, (data.y + 3) % 10, data.y))
    wanted = curve(config, data)
    assert curve(config, flipped) == wanted, "bit for bit"
    told = replace(data, y=torch.where(hidden, data.y, (data.y + 3) % 10))
    assert curve(config, told) != wanted
    everything = replace(config, labelled=0)
    assert curve(everything, flipped) != curve(everything, data)


def order(n: int) -> list[int]:
    """The fixed permutation of `n` rows."""
    return np.random.RandomState(0).permutation(n).tolist()


def rows_of(data, part) -> list[int]:
    """Row numbers of `part` in `data`, whose images are all different."""
    found = [(data.x == x).flatten(1).all(1).nonzero()[:, 0] for x in part.x]
    assert all(len(f) == 1 for f in found)
    return [int(f[0]) for f in found]


def test_hidden_labels_need_the_data(tiny_run) -> None:
    trainer = tiny_run("jem", "digits", FEW).trainer
    fresh = build("jem", trainer.learner.config, trainer.model.spec.event_shape, rng())
    with pytest.raises(UsageError, match=r"labelled is 2: train by gibbsian.fit, or call setup"):
        only(fresh, batch_of(trainer))


# -- what cannot be --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: JEMConfig(net=ConvConfig(classes=3)), "net.head is scalar"),
        (lambda: JEMLossConfig(w_y=0.0, w_x=0.0), "are all 0"),
        (lambda: JEMLossConfig(w_x=-1.0), "loss.w_x is -1"),
        (lambda: JEMLossConfig(label_smoothing=1.0), "label_smoothing is 1"),
        (lambda: JEMConfig(labelled=-1), "labelled is -1"),
        (
            lambda: JEMConfig(loss=JEMLossConfig(ancestral=True), start=StartConfig(kind="data")),
            "loss.ancestral draws classes",
        ),
    ],
)
def test_bad_settings_are_one_line(make, words) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_the_classes_are_those_of_the_data(tiny_run) -> None:
    with pytest.raises(UsageError, match="net.classes is 10, but toy:ring has 8: set net.classes to 8"):
        tiny_run("jem", "toy:ring", DIGITS)
    assert offered(tiny_run("jem", "digits", DIGITS).trainer.model, Scalable) is None
