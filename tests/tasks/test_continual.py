"""Classes in sequence: the parts by exact answers, and what the comparison keeps, refuses and takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import gibbsian as gb
from gibbsian.core.errors import DataError, DivergedError, Interrupted, UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.models.joint_energy import JointEnergy
from gibbsian.models.net_energy import NetEnergy
from gibbsian.tasks.continual import run as running
from gibbsian.tasks.continual.learners import EWC, SI, LwF, Softmax
from gibbsian.tasks.continual.methods import METHODS, Work, chosen, own_samples
from gibbsian.tasks.continual.report import Continual, Run
from gibbsian.tasks.continual.split import in_tasks, with_rows, with_samples
from gibbsian.tasks.continual.vae import ConditionalVAE
from gibbsian.train.settings import TrainConfig
from gibbsian.train.trainer import Trainer

TINY = {"seeds": 1, "rows": 24, "batch_size": 8}
CLASSES = 4


def points(n: int = 40, classes: int = CLASSES, seed: int = 0) -> gb.Dataset:
    """Rows in 3 columns about one mean a class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return gb.from_arrays((rng.normal(size=(n, 3)) + 2 * y[:, None]).astype(np.float32), y)


def softmax(kind, *rest):
    with gb.seeded_init(0):
        net = gb.MLP((3,), gb.MLPConfig(hidden=(6,), classes=CLASSES, head="logits", activation="tanh"))
    return kind(JointEnergy(net, DataSpec((3,), -1, 1, CLASSES)), *rest)


def fit(learner, data, steps=4, lr=1e-2):
    Trainer(learner, data, TrainConfig(steps=steps, batch_size=8, lr=lr, sample_every=0)).fit(progress=False)


# -- tasks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "tasks", "sizes"),
    [(4, None, [2, 2]), (5, None, [3, 2]), (3, None, [1, 1, 1]), (2, None, [1, 1]), (5, 4, [2, 1, 1, 1])],
)
def test_classes_come_in_their_order(classes, tasks, sizes):
    parts = in_tasks(points(60, classes), points(30, classes), tasks)
    assert [len(t.classes) for t in parts] == sizes
    assert torch.cat([t.classes for t in parts]).tolist() == list(range(classes))
    assert sum(len(t.train) for t in parts) == 60 and sum(len(t.held) for t in parts) == 30
    assert all(
        torch.isin(t.train.y, t.classes).all() and torch.isin(t.held.y, t.classes).all() for t in parts
    )


def test_rows_bound_the_training_rows_alone():
    parts = in_tasks(points(), points(), rows=7)
    assert [len(t.train) for t in parts] == [7, 7] and [len(t.held) for t in parts] == [20, 20]


def test_samples_are_stored_as_the_data_are():
    digits, spec = gb.dataset("digits").take(3), DataSpec((1, 8, 8), -1.0, 1.0, 10)
    x = digits.batch(torch.arange(3)).x
    both = with_samples(digits, x, torch.tensor([7, 8, 9]), spec)
    assert torch.equal(both.x[3:], digits.x) and both.y.tolist()[3:] == [7, 8, 9]
    table = gb.dataset((points().x.double().numpy() * 100, points().y.numpy()), standardise=True)
    z = table.batch(torch.arange(5)).x
    joined = with_samples(table, z, torch.zeros(5, dtype=torch.int64), DataSpec((3,), -1, 1, CLASSES))
    torch.testing.assert_close(joined.batch(torch.arange(40, 45)).x, z)
    assert with_rows(digits, [digits, digits]).y.tolist() == 3 * digits.y.tolist()


# -- learners, by exact answers ------------------------------------------------------------------------


def test_only_classes_seen_take_part():
    learner, data = softmax(Softmax), in_tasks(points(), points())[0].train
    learner.setup(data)
    batch = data.batch(torch.arange(8))
    loss = next(learner.losses(batch, 0, gb.generator(0)))[1].value
    f = learner.model.logits(batch.x)[:, :2]
    torch.testing.assert_close(loss, F.cross_entropy(f, batch.y))


def test_fisher_information_is_the_mean_squared_gradient_of_single_rows():
    learner, data = softmax(EWC, 3.0), points(12)
    learner.setup(data)
    learner.after_task(data)
    exact = {k: torch.zeros_like(p) for k, p in learner.model.named_parameters()}
    for i in range(12):
        batch = data.batch(torch.tensor([i]))
        learner.zero_grad()
        F.cross_entropy(learner.model.logits(batch.x), batch.y).backward()
        for k, p in learner.model.named_parameters():
            exact[k] += p.grad.square() / 12
    for k in exact:
        torch.testing.assert_close(learner.importance[k], exact[k])
    assert not learner.penalty(batch, torch.zeros(1)).any()
    with torch.no_grad():
        learner.model.net.head.layers[0].bias += 0.5
    expected = 3.0 * 0.25 * exact["net.head.layers.0.bias"].sum()
    torch.testing.assert_close(learner.penalty(batch, torch.zeros(1)), expected)


def test_the_path_adds_up_to_the_fall_of_the_loss():
    learner, data = softmax(SI, 0.0), points(8)
    batch = data.batch(torch.arange(8))

    def loss() -> float:
        return F.cross_entropy(learner.model.logits(batch.x), batch.y).item()

    learner.setup(data)
    before = loss()
    fit(learner, data, steps=40, lr=1e-4)
    fall = before - loss()
    assert fall > 0 and sum(float(v.sum()) for v in learner.path.values()) == pytest.approx(fall, rel=0.02)
    path, start = {k: v.clone() for k, v in learner.path.items()}, learner.anchor
    learner.after_task(data)
    for k, p in learner.model.named_parameters():
        expected = path[k].clamp(min=0) / ((p - start[k]).square() + 0.1)
        torch.testing.assert_close(learner.importance[k], expected.detach())
        assert not learner.path[k].any()


def test_the_old_networks_answers_are_targets():
    learner = softmax(LwF)
    first, second = (t.train for t in in_tasks(points(), points()))
    learner.setup(first)
    batch = second.batch(torch.arange(8))
    assert float(learner.penalty(batch, learner.model.logits(batch.x))) == 0
    learner.after_task(first)
    old = learner.model.logits(batch.x).detach()[:, :2]
    fit(learner, second)
    f = learner.model.logits(batch.x)
    exact = -4 * ((old / 2).softmax(1) * (f[:, :2] / 2).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(learner.penalty(batch, f), exact)


def test_the_vae_is_a_bound_and_draws_from_its_decoder():
    spec = DataSpec((3,), -1, 1, CLASSES)
    with gb.seeded_init(0):
        net = ConditionalVAE(spec, (6,), 2)
    x, y = torch.randn(5, 3, generator=gb.generator(1)), torch.tensor([0, 1, 2, 3, 0])
    n = 4000
    z = torch.randn(n, 2, generator=gb.generator(2))
    with torch.no_grad():
        for i in range(5):  # log p(x | y) by draws from the prior
            mean = net.decode(z, y[i].expand(n))
            inside = -0.5 * ((x[i] - mean).square() + np.log(2 * np.pi)).sum(1)
            exact = inside.logsumexp(0) - np.log(n)
            rows = net.bound(x[i].expand(n, 3), y[i].expand(n), gb.generator(3))
            assert float((rows[0] + rows[1]).mean()) > -float(exact) - 0.05
        nll, kl = net.bound(x, y)
        torch.testing.assert_close(net(x, y), nll + kl)
        assert net.draw(y, gb.generator(0)).shape == (5, 3)


def test_samples_seen_again_are_of_the_classes_asked_for():
    work = Work(gb.dataset("digits"), "generative")
    for name in ("energy", "vae"):
        learner = METHODS["generative"][name].made(work, 0)
        x, y = own_samples(learner, 3, torch.tensor([2, 5]), gb.generator(0))
        assert x.shape == (6, 1, 8, 8) and y.tolist() == [2, 2, 2, 5, 5, 5]
        assert float(x.min()) >= -1 and float(x.max()) <= 1, "clamped to the range of pixels"


def test_the_answer_is_the_least_energy_among_classes_seen():
    class Fixed(torch.nn.Module):
        def forward(self, x, y):
            return torch.tensor([0.0, 1.0, 3.0, 2.0])[y]  # class 0 always wins, unless it is not seen

    model, data = NetEnergy(Fixed(), DataSpec((3,), -1, 1, CLASSES)), points()
    assert running.accuracy_of(model, data, torch.arange(4)) == 0.25
    assert running.accuracy_of(model, data.subset((data.y == 3).nonzero()[:, 0]), torch.tensor([2, 3])) == 1
    assert running.accuracy_of(model, data.subset((data.y == 2).nonzero()[:, 0]), torch.tensor([2, 3])) == 0


def test_forgetting_is_the_best_that_was_less_the_last():
    run = Run([[0.9], [0.5, 0.8], [0.6, 0.2, 1.0]], 1.0)
    assert run.final == pytest.approx(0.6) and run.forgetting == pytest.approx((0.3 + 0.6) / 2)


def test_published_figures_stand_beside_their_own_protocol_alone():
    pairs = [[str(2 * i), str(2 * i + 1)] for i in range(5)]
    runs = {"energy": [Run([[1.0] * (i + 1) for i in range(5)], 1.0)]}
    tables = {
        (protocol, data): Continual(data, protocol, pairs, 9, "test rows", runs).table()
        for protocol in ("generative", "discriminative")
        for data in ("mnist", "digits")
    }
    assert "64.99" in tables["generative", "mnist"] and "53.12" not in tables["generative", "mnist"]
    assert "53.12" in tables["discriminative", "mnist"] and "64.99" not in tables["discriminative", "mnist"]
    assert not any("published" in tables[p, "digits"] for p in ("generative", "discriminative"))
    other = Continual("mnist", "generative", pairs[:4] + [["8"], ["9"]], 9, "test rows", runs)
    assert "published" not in other.table()


# -- the comparison ------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["generative", "discriminative"])
def test_every_method_runs_and_is_told(protocol):
    more = {"steps": 2} if protocol == "discriminative" else {}
    found = gb.continual("digits", protocol=protocol, tasks=2, **TINY, **more)
    assert list(found.runs) == list(chosen(None, protocol))
    for name, runs in found.runs.items():
        assert [len(row) for row in runs[0].accuracy] == [1, 2]
        assert all(0 <= a <= 1 for row in runs[0].accuracy for a in row) and name in found.text()
    said = found.to_dict()
    assert said["methods"]["energy"]["accuracy"]["value"] == found.runs["energy"][0].final
    assert said["n"] == 400 and "24 training rows a task" in found.text()
    assert set(found.figures()) == {"accuracy"}


def test_a_seed_repeats_itself_and_seeds_differ():
    one, two = (gb.continual("digits", methods=["energy"], tasks=2, **TINY | {"seeds": 2}) for _ in range(2))
    assert one.runs["energy"][0].accuracy == two.runs["energy"][0].accuracy
    assert one.runs["energy"][0].accuracy != one.runs["energy"][1].accuracy


def named(method, protocol):
    return next(name for name, one in METHODS[protocol].items() if one is method)


@pytest.fixture
def counted(monkeypatch):
    """The seeds that were really learnt."""
    learnt, learn = [], running.learn

    def counting(method, work, parts, seed, told):
        learnt.append((named(method, work.protocol), seed))
        return learn(method, work, parts, seed, told)

    monkeypatch.setattr(running, "learn", counting)
    return learnt


def test_finished_seeds_are_not_learnt_again(tmp_path, counted):
    def again(**more):
        counted.clear()
        gb.continual("digits", methods=["finetune", "si"], out=tmp_path, **TINY | {"seeds": 2} | more)
        return list(counted)

    assert len(again()) == 4 and again() == []
    (tmp_path / "seeds" / "generative-si-1.json").unlink()
    assert again() == [("si", 1)]
    (tmp_path / "seeds" / "generative-si-0.json").write_text("{")
    assert again() == [("si", 0)]
    assert again(seeds=3) == [("finetune", 2), ("si", 2)]
    assert len(again(batch_size=6)) == 4, "other settings"
    assert len(again(batch_size=6, rows=23)) == 4, "other rows"


@pytest.mark.parametrize("error", [Interrupted("SIGINT"), KeyboardInterrupt(), DivergedError("gap 1e9")])
def test_what_was_finished_outlives_an_interruption(error, tmp_path, monkeypatch, counted):
    learn = running.learn

    def broken(method, work, *rest):
        if named(method, work.protocol) == "si":
            raise error
        return learn(method, work, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(running, "learn", broken)
        with pytest.raises((Interrupted, DivergedError), match="si, seed 0.*finished seeds are in"):
            gb.continual("digits", methods=["finetune", "si"], out=tmp_path, **TINY)
    assert [p.name for p in (tmp_path / "seeds").iterdir()] == ["generative-finetune-0.json"]
    counted.clear()
    gb.continual("digits", methods=["finetune", "si"], out=tmp_path, **TINY)
    assert counted == [("si", 0)]


def test_own_folders_arrays_tables_and_files(tmp_path):
    rng = np.random.default_rng(0)
    for word in ("ant", "bee", "cow"):
        (tmp_path / "photos" / word).mkdir(parents=True)
        for i in range(60):
            image = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / "photos" / word / f"{i}.png")
    lines = [
        f"{a:.3f},{b:.3f},{'abc'[i % 3]}" for i, (a, b) in enumerate(rng.normal(size=(180, 2)) * [1, 50])
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["u,v,kind", *lines]))
    np.savez(tmp_path / "x.npz", x=rng.integers(0, 255, (180, 6, 6), dtype=np.uint8), y=np.arange(180) % 3)
    signals = (rng.normal(size=(180, 2, 16)).astype(np.float32), np.arange(180) % 3)
    given = [f"folder:{tmp_path}/photos", tmp_path / "rows.csv", tmp_path / "x.npz", points(180, 3), signals]
    for data in given:
        found = gb.continual(data, methods=["energy", "vae"], **TINY)
        assert len(found.classes) == 3 and len(found.runs) == 2, data
    assert gb.continual(given[0], methods=["finetune"], **TINY).classes == [["ant"], ["bee"], ["cow"]]
    held = gb.continual(points(60, 3), held=points(30, 3, seed=1), methods=["finetune"], **TINY)
    assert held.n == 30 and "the rows given" in held.text()
    assert gb.continual("digits", validation=100, methods=["finetune"], **TINY).judged == "validation rows"


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        (points(20, 1), {}, "one class, 0"),
        (gb.from_arrays(np.zeros((20, 3), np.float32) + np.arange(20)[:, None]), {}, "no labels"),
        (points(), {"tasks": 5}, "tasks is 5: arrays has 4 classes"),
        (points(), {"tasks": 1}, "choose from 2 to 4"),
        (points(), {"methods": ["ecw"]}, "did you mean 'ewc'"),
        (points(), {"protocol": "generativ"}, "did you mean 'generative'"),
        (points(), {"protocol": "discriminative", "methods": ["vae"]}, "method 'vae' has no classifier"),
        (points(), {"protocol": "discriminative", "tasks": 4}, "has a single class"),
        (points(), {"protocol": "discriminative", "passes": 2}, "passes is 2, of the generative"),
        (points(), {"steps": 5}, "steps is 5, of the discriminative"),
        (points(), {"negative": "all"}, "negative is 'all', of the discriminative"),
        (points(), {"negative": "none"}, "unknown negative"),
        (points(), {"seeds": 0}, "seeds is 0"),
        (points(), {"rows": 0}, "rows is 0"),
        (points(), {"held": points(30, 3), "tasks": 4}, "no held-out rows of class 3"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(data, more, said):
    with pytest.raises((UsageError, DataError), match=said) as caught:
        gb.continual(data, **more)
    assert "\n" not in str(caught.value)


def test_records_say_what_they_are_of(tmp_path):
    gb.continual("digits", methods=["finetune"], out=tmp_path, **TINY)
    record = json.loads((tmp_path / "seeds" / "generative-finetune-0.json").read_text())
    assert record["method"] == "finetune" and record["seed"] == 0 and record["tasks"] == 5
    assert record["settings"]["protocol"] == "generative" and len(record["accuracy"]) == 5


@pytest.mark.parametrize(("protocol", "kept"), [("discriminative", [0, 3]), ("generative", [0, 0])])
def test_one_adam_serves_all_tasks_of_the_discriminative_protocol(monkeypatch, protocol, kept):
    made = []

    class Watched(Trainer):
        def fit(self, *args, **more):
            state = next(iter(self.updater.optimizers["energy"].state.values()), {"step": 0})
            made.append(int(state["step"]))
            return super().fit(*args, **more)

    monkeypatch.setattr(running, "Trainer", Watched)
    more = {"steps": 3} if protocol == "discriminative" else {}
    gb.continual(points(), protocol=protocol, methods=["finetune"], **TINY, **more)
    assert made == kept


def test_the_energy_of_each_protocol_is_called_what_it_is():
    for protocol, about, settings in (
        ("generative", "energy of (x, y)", {}),
        ("discriminative", "E(x, y) with gates", {"steps": 1}),
    ):
        found = gb.continual("digits", protocol=protocol, methods=["energy"], tasks=2, **TINY, **settings)
        assert f"energy ({about})" in found.text()
