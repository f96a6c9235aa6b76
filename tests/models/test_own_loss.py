"""A loss of one's own as a plain function: trained, resumed, loaded, drawn from, and refused in one line."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.core.errors import UsageError
from gibbsian.models.papers import GIVEN, OURS, PAPERS, entry, of_loss, register_paper

TINY = {"train.batch_size": 16, "train.sample_every": 0, "chain.steps": 3, "net.hidden": (8,)}
FILE = '''
import gibbsian as gb

def smoothed(model, batch, rng):
    """Denoising score matching at one noise."""
    return gb.denoising_score_matching(model.energy, batch.x, sigma=0.2, rng=rng)
'''


def smoothed(model, batch, rng, sigma=0.2):
    return gb.denoising_score_matching(model.energy, batch.x, sigma=sigma, rng=rng)


def fit(loss, data="toy:ring", **more):
    return gb.fit(loss, data, **{"steps": 2, "progress": False, **TINY, **more})


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Papers of others, and whom one trusts, are forgotten after each test."""
    monkeypatch.setattr("gibbsian.core.found._TRUSTED", set())
    before = dict(PAPERS)
    yield
    GIVEN.clear()
    PAPERS.clear()
    PAPERS.update(before)
    sys.modules.pop("own_loss_file", None)


def test_it_trains_as_a_loop_of_plain_lines_would() -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 1)
    weight = net.weight.detach().clone()
    seen = []

    def pull(model, batch, rng):
        seen.append(batch.x)
        return model.energy(batch.x).mean()

    model = fit(pull, net=net, steps=1, **{"train.lr": 0.01})
    assert torch.equal(torch.sign(weight - model.net.net.weight), torch.sign(seen[0].mean(0, keepdim=True)))
    assert torch.allclose((weight - model.net.net.weight).abs(), torch.tensor(0.01), rtol=1e-3)


def test_it_resumes_bit_for_bit_and_is_loaded(tmp_path: Path) -> None:
    whole = fit(smoothed, steps=4)
    fit(smoothed, steps=2, out=tmp_path / "run")
    again = fit(smoothed, steps=4, out=tmp_path / "run", resume="auto")
    loaded = gb.load(tmp_path / "run")
    x = torch.randn(5, 2)
    assert torch.equal(whole.energy(x), again.energy(x)) and torch.equal(loaded.energy(x), again.energy(x))
    assert loaded.sample(3, seed=0).x.shape == (3, 2)


def test_the_command_line_takes_it_from_a_file(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_loss_file.py").write_text(FILE)
    words = "train own_loss_file.py:smoothed --data digits --steps 2 --net.hidden [8] --chain.steps 3"
    assert main([*words.split(), "--out", "run"]) == 0
    assert main("sample run -n 2 --trust --out s.png".split()) == 0 and Path("s.png").is_file()
    PAPERS.pop("own_loss_file.py:smoothed")
    monkeypatch.setattr("gibbsian.core.found._TRUSTED", set())
    capsys.readouterr()
    assert main("sample run -n 2".split()) == 2 and "own_loss_file.py:smoothed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (smoothed, "smoothed"),
        (partial(smoothed, sigma=0.1), "smoothed"),
        (lambda model, batch, rng: model.energy(batch.x).square().mean(), "lambda"),
    ],
)
def test_functions_have_names(loss, name) -> None:
    model = fit(loss, "digits")
    assert repr(model).startswith(f"NetEnergy of {name}:") and entry(name).name == name


def test_a_function_defined_anew_takes_the_place_of_the_old() -> None:
    fit(smoothed)
    old = entry("smoothed")
    fit(partial(smoothed, sigma=0.5))
    assert entry("smoothed") is not old


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda model, batch, rng: model.energy(batch.x), r"returned a tensor of shape \(16,\)"),
        (lambda model, batch, rng: torch.tensor(1.0), "without a gradient"),
        (lambda model, batch, rng: None, "returned a NoneType"),
        (lambda model, batch, rng: 0.5, "returned a float"),
        (
            lambda model, batch: model.energy(batch.x).mean(),
            r"called as lambda\(model, batch, rng\)",
        ),
    ],
)
def test_other_functions_are_refused(loss, words) -> None:
    with pytest.raises(UsageError, match=words):
        fit(loss)


def test_names_of_ours_are_kept() -> None:
    def jem(model, batch, rng):
        return model.energy(batch.x).mean()

    with pytest.raises(UsageError, match="one of this package's"):
        fit(jem)
    assert register_paper(entry("jem")) is entry("jem")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Runs of one loss by `fit` and by the command line, and a saved model, seen from another folder by a
    process that knows none of them."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("own_loss_file.py").write_text(FILE)
    fit(smoothed, out="fitted").save("saved")
    words = "train own_loss_file.py:smoothed --data toy:ring --steps 2 --net.hidden [8] --chain.steps 3"
    assert main([*words.split(), "--train.sample_every", "0", "--out", "commanded"]) == 0
    for name in PAPERS.keys() - OURS:
        del PAPERS[name]
    monkeypatch.chdir(tmp_path / "there")


@pytest.mark.parametrize("run", ["fitted", "commanded", "saved"])
@pytest.mark.parametrize("paper", [smoothed, "entry", "../here/own_loss_file.py:smoothed"])
def test_what_others_stored_opens_by_its_paper(stored, run, paper) -> None:
    run = f"../here/{run}"
    with pytest.raises(gb.GibbsianError, match="paper= in Python or --paper FILE.py:OBJECT"):
        gb.load(run)
    paper = of_loss(smoothed) if paper == "entry" else paper
    assert gb.load(run, paper=paper).sample(2, steps=1).x.shape == (2, 2)
    assert gb.load(run).record.name in ("smoothed", "own_loss_file.py:smoothed")


def test_the_command_line_is_told_once_for_all_runs(stored, capsys) -> None:
    of = ["--paper", "../here/own_loss_file.py:smoothed"]
    for run in ("fitted", "commanded", "saved"):
        assert main(["sample", f"../here/{run}", "-n", "2", "--steps", "1", "--npz", "a.npz", *of]) == 0
    assert ", paper=YOUR_PAPER_OR_LOSS)" in Path("../here/saved/README.md").read_text()
    again = ["--resume", "../here/fitted", "--train.sample_every", "0", "--steps"]
    assert main(["train", "smoothed", *again, "3", *of]) == 0
    assert main(["train", "../here/own_loss_file.py:smoothed", *again, "4"]) == 0
    with Path("../here/own_loss_file.py").open("a") as file:
        file.write("\n\nother = lambda model, batch, rng: model.energy(batch.x).mean()\n")
    capsys.readouterr()
    assert main(["train", "../here/own_loss_file.py:other", *again, "5"]) == 1
    assert "is a run of" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--paper"], ["--paper", "smoothed"], ["--paper", "nowhere.py:smoothed"]])
def test_a_paper_that_is_none_is_one_line(words, capsys) -> None:
    assert main(["list", "systems", *words]) == 2
    assert "paper" in capsys.readouterr().err


def test_a_paper_of_ours_takes_no_other(tmp_path) -> None:
    fit("short_run", out=tmp_path / "run")
    with pytest.raises(UsageError, match="short_run, one of this package's"):
        gb.load(tmp_path / "run", paper=smoothed)
    with pytest.raises(UsageError, match="PaperEntry, or a loss"):
        register_paper(3)
    assert entry(register_paper(smoothed).name).name == "smoothed"


@pytest.mark.parametrize(("wrapped", "claims"), [(False, False), (False, True), (True, True)])
def test_a_loss_says_whether_it_fits_a_density(wrapped, claims, tmp_path, capsys) -> None:
    def own(model, batch, rng):
        return gb.denoising_score_matching(model.energy, batch.x, sigma=0.2, rng=rng)

    own.claims_density = claims
    model = fit(partial(own) if wrapped else own, out=tmp_path / "run")
    assert model.claims_density is claims is gb.load(tmp_path / "run").claims_density
    words = ["sample", str(tmp_path / "run"), "-n", "2", "--npz", str(tmp_path / "a.npz")]
    done = main([*words, "--kernel", "mala"])
    assert done == (0 if claims else 2)
    assert claims or "nothing says that the E/T of own is -log p(x)" in capsys.readouterr().err
