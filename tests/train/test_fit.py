"""`gb.fit`, `gb.sample`, `gb.load`: what a person types first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch, Loss
from gibbsian.core.spec import DataSpec
from gibbsian.models.chain_sampler import ChainSampler
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.models.learner import Learner
from gibbsian.models.model import EnergyModel
from gibbsian.nets.settings import MLPConfig
from gibbsian.starts.noise import GaussianNoise
from gibbsian.tasks.restore.methods import temperature

QUICK = {
    "net__name": "mlp",
    "net__hidden": [8],
    "chain__steps": 2,
    "train__batch_size": 16,
    "train__sample_every": 0,
    "progress": False,
}


def test_a_name_and_a_preset(tmp_path: Path) -> None:
    model = gb.fit("short_run", "digits", preset="digits", steps=2, out=tmp_path, **QUICK)
    assert not model.training and model.record.config.chain.steps == 2
    assert gb.sample(model, 3).x.shape == (3, 1, 8, 8)
    again = gb.load(tmp_path)
    assert again.record == model.record
    assert torch.equal(gb.sample(again, 3).x, model.sample(3).x)
    assert "steps: 2" in (tmp_path / "config.yaml").read_text()


def test_settings_are_checked_and_the_nearest_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'short_run'"):
        gb.fit("shortrun", "digits", steps=1)
    with pytest.raises(UsageError, match="did you mean 'chain'"):
        gb.fit("short_run", "digits", preset="digits", steps=1, chian__steps=3)
    with pytest.raises(UsageError, match="did you mean 'steps'"):
        gb.fit("short_run", "digits", preset="digits", steps=1, chain__stpes=3)
    with pytest.raises(UsageError, match="unknown preset"):
        gb.fit("short_run", "digits", preset="digit", steps=1)
    with pytest.raises(UsageError, match="train.steps is -3"):
        gb.fit("short_run", "digits", preset="digits", steps=-3)


def test_labels_that_do_not_fit_are_refused(small_data) -> None:
    with pytest.raises(UsageError, match="net.classes is 3, but digits has 10: set net.classes to 10"):
        gb.fit("short_run", small_data("digits"), preset="digits", steps=1, net__classes=3, progress=False)
    unlabelled = gb.dataset("digits").take(8)
    from dataclasses import replace

    with pytest.raises(UsageError, match="has no labels"):
        gb.fit(
            "short_run",
            replace(unlabelled, y=None),
            preset="digits",
            steps=1,
            net__classes=10,
            progress=False,
        )


def test_a_built_learner_trains_as_told(small_data) -> None:
    config = IGEBMConfig(net=MLPConfig(hidden=(8,)))
    learner = gb.build("igebm", config, (2,))
    before = learner.model.net.state_dict()
    before = {k: v.clone() for k, v in before.items()}
    trained = gb.fit(learner, small_data("toy:ring"), steps=2, train__batch_size=8, progress=False)
    assert trained is learner.model and any(
        not torch.equal(v, before[k]) for k, v in learner.model.net.state_dict().items()
    )
    with pytest.raises(UsageError, match="chain.steps.*which stands"):
        gb.fit(learner, small_data("toy:ring"), steps=1, chain__steps=3)
    with pytest.raises(UsageError, match="unknown preset of igebm"):
        gb.fit(learner, small_data("toy:ring"), steps=1, preset="nope")


class Bowl(EnergyModel):
    """E(x) = a |x|^2 / 2, by hand."""

    def __init__(self) -> None:
        super().__init__(DataSpec((2,), -2.0, 2.0))
        self.log_a = nn.Parameter(torch.zeros(1))
        self.samplers["default"] = ChainSampler(self, gb.Langevin(0.1), 50, GaussianNoise((2,)))

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        self.spec.refuse_labels(y)
        return self.log_a.exp() * x.square().sum(1) / 2

    def neg_log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.energy(x, y)


class Quadratic(Learner):
    """A learner of one's own: `Bowl`, fitted by its exact likelihood gradient."""

    def __init__(self) -> None:
        super().__init__(IGEBMConfig(), Bowl())
        self.box = nn.ParameterList([self.model.log_a])

    def parameter_groups(self) -> dict[str, nn.Module]:
        return {"precision": self.box}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        yield "precision", Loss(self.model.energy(batch.x).mean() - self.model.log_a.sum())


def test_a_learner_of_ones_own_trains_and_samples(small_data, tmp_path: Path) -> None:
    data = small_data("toy:ring")
    model = gb.fit(Quadratic(), data, steps=300, progress=False, train__lr=0.05, train__batch_size=128)
    # E x^2 sums to 2/a at the likelihood's maximum
    wanted = 2 / data.x.square().sum(1).mean()
    assert float(model.log_a.detach().exp()) == pytest.approx(float(wanted), rel=1e-3)
    assert gb.sample(model, 5).x.shape == (5, 2)
    with pytest.raises(UsageError, match="built by hand"):
        model.save(tmp_path)


def test_sample_checks_its_arguments(small_data) -> None:
    model = gb.build("igebm", IGEBMConfig(net=MLPConfig(hidden=(8,), classes=3)), (2,)).model
    for n, steps in ((0, None), (-1, None), (2, 0)):
        with pytest.raises(UsageError, match="at least 1"):
            gb.sample(model, n, steps=steps)
    with pytest.raises(UsageError, match="give one class, or one a sample"):
        gb.sample(model, 3, y=torch.zeros(2, dtype=torch.long), steps=1)
    for wrong in (-1, 3):
        with pytest.raises(UsageError, match="classes 0 to 2"):
            gb.sample(model, 2, y=wrong, steps=1)
    drawn = gb.sample(model, 3, y=torch.tensor([2, 0, 1]), steps=1)
    assert drawn.y.tolist() == [2, 0, 1]
    assert gb.sample(model, 64, steps=1).y.unique().tolist() == [0, 1, 2]


def test_the_lazy_front_door() -> None:
    for name in gb.__all__:
        assert getattr(gb, name) is not None
    assert set(dir(gb)) == set(gb.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = gb.nope


def own_net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))


def test_files_of_others_are_not_written_over(tmp_path: Path) -> None:
    model = gb.fit("short_run", torch.randn(40, 2), net=own_net(), steps=1, progress=False)
    (tmp_path / "README.md").write_text("my notes")
    with pytest.raises(UsageError, match=r"holds a README.md that is no model's"):
        model.save(tmp_path)
    assert (tmp_path / "README.md").read_text() == "my notes"
    again = model.save(tmp_path / "model")
    assert model.save(again) == again, "a model may be saved where one is"


def test_models_loaded_with_one_network_do_not_share_it(tmp_path: Path) -> None:
    x, net = torch.randn(40, 2), own_net()
    first = gb.fit("short_run", x, net=net, steps=1, progress=False)
    energy = first.energy(x[:3]).detach()
    first.save(tmp_path / "first")
    gb.fit("short_run", x, net=net, steps=5, progress=False).save(tmp_path / "second")
    one, other = (gb.load(tmp_path / name, net=net) for name in ("first", "second"))
    assert torch.equal(one.energy(x[:3]), energy) and not torch.equal(other.energy(x[:3]), energy)


def test_labels_without_classes_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    gb.fit("igebm", (torch.randn(40, 2), torch.arange(40) % 2), net=own_net(), steps=1, device="cpu")
    assert "its labels are not used: net.classes is 0" in capsys.readouterr().err


def test_a_setting_without_its_section_names_it() -> None:
    with pytest.raises(UsageError, match=r"unknown key 'lr': did you mean train.lr\?"):
        gb.fit("short_run", "toy:ring", lr=1e-3, progress=False)


def test_a_kernel_and_a_sampler_are_two_ways() -> None:
    model = gb.build("short_run", {}, (1, 8, 8)).model
    with pytest.raises(UsageError, match="a kernel and a sampler are two ways to draw"):
        gb.sample(model, 2, kernel=gb.MALA(0.1), sampler="buffer")


def test_a_card_says_how_a_model_with_ones_own_network_is_loaded(tmp_path: Path) -> None:
    gb.fit("short_run", torch.randn(40, 2), net=own_net(), steps=1, progress=False).save(tmp_path / "own")
    gb.build("short_run", {"net": {"name": "mlp", "hidden": [4]}}, (2,)).model.save(tmp_path / "ours")
    own, ours = ((tmp_path / name / "README.md").read_text() for name in ("own", "ours"))
    assert 'gb.load("THIS_FOLDER", net=YOUR_NETWORK)' in own and 'gb.load("THIS_FOLDER")' in ours


def test_a_net_of_logits_is_a_model_with_a_label_head() -> None:
    data = (torch.randn(40, 2), torch.arange(40) % 3)
    model = gb.fit("igebm", data, net=nn.Linear(2, 3), steps=1, net__classes=3, progress=False)
    assert model.logits_head and model.logits(data[0]).shape == (40, 3)


def test_an_unknown_stored_paper_says_how_it_becomes_known(tmp_path: Path) -> None:
    gb.build("short_run", {"net": {"name": "mlp", "hidden": [4]}}, (2,)).model.save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"short_run"', '"nobodys"'))
    with pytest.raises(gb.GibbsianError, match="unknown system 'nobodys'.*--paper FILE.py:OBJECT.*install"):
        gb.load(tmp_path)


def test_chains_of_a_ladder_are_at_temperature_1() -> None:
    model = gb.build("drl", {}, (1, 8, 8)).model
    assert model.chain_temperature == 1.0 and temperature(gb.Langevin(0.1, temperature=0.0), model) == 1.0


@pytest.mark.parametrize("data", ["toy:ring", "digits"])
def test_a_model_without_a_sampler_trains_without_pictures(data, tmp_path, capsys) -> None:
    shape = gb.dataset(data).take(1).event_shape
    learner = gb.build("short_run", {"net": {"name": "mlp", "hidden": [8]}, "chain": {"steps": 1}}, shape)
    learner.model.samplers.clear()
    gb.fit(learner, data, steps=2, out=tmp_path / "run", train__sample_every=1)
    assert capsys.readouterr().err.count("no pictures are made") == 1
    assert list(tmp_path.glob("run/checkpoints/step-*")) and not list(tmp_path.glob("run/samples/*"))


class Items(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return POINTS[i], i % 3


POINTS = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
PLAIN = {
    "tensor": POINTS,
    "array": POINTS.numpy(),
    "list": POINTS.tolist(),
    "pair": (POINTS, torch.arange(40) % 3),
    "torch data set": Items(),
    "loader": torch.utils.data.DataLoader(Items(), batch_size=7),
    "subset": torch.utils.data.Subset(Items(), range(20)),
    "dictionary": {"x": POINTS, "y": torch.arange(40) % 3},
}


@pytest.mark.parametrize("kind", PLAIN)
def test_whatever_holds_data_is_trained_on_and_the_card_names_it(kind, tmp_path: Path) -> None:
    small = {"progress": False, "train__batch_size": 8, "chain__steps": 1}
    model = gb.fit("short_run", PLAIN[kind], steps=1, **small)
    assert model(POINTS[:3]).shape == (3,) and torch.equal(model(POINTS[:3]), model.energy(POINTS[:3]))
    drawn = model.sample(3, steps=1)
    assert drawn.x.shape == (3, 2) and drawn._repr_png_()[:4] == b"\x89PNG"
    model.save(tmp_path / "m")
    assert "# short_run on data of shape (2)" in (tmp_path / "m/README.md").read_text()


@pytest.mark.parametrize("name", ["own.npy", "own.npz", "own.csv"])
def test_a_card_names_the_file_that_was_learnt(name, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in POINTS.tolist()))
    else:
        (np.savez if name.endswith("npz") else np.save)(path, POINTS.numpy())
    model = gb.fit("short_run", path, steps=1, progress=False, train__batch_size=8, chain__steps=1)
    model.save(tmp_path / "m")
    assert f"# short_run on {path}" in (tmp_path / "m/README.md").read_text()
