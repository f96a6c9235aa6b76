"""What kernels and energies say of themselves."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.show import brief, one_line, spread


def test_kernels_show_what_is_not_usual_and_can_be_made_from_it() -> None:
    for kernel, text in (
        (gb.Langevin(0.02), "Langevin(step_size=0.02)"),
        (gb.Langevin(0.02, clip_value=1.0), "Langevin(step_size=0.02, clip_value=1.0)"),
        (gb.HMC(0.1, 5), "HMC(step_size=0.1, leapfrogs=5)"),
    ):
        assert repr(kernel) == text
        assert eval(text, {"Langevin": gb.Langevin, "HMC": gb.HMC}) == kernel
    assert repr(gb.MALA(0.1, metric=(torch.ones(3, 4),))) == "MALA(step_size=0.1, metric=(tensor(3, 4),))"


def test_energies_show_what_they_are_made_of() -> None:
    net = nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 1))
    energy = gb.Product([gb.Tempered(net, 0.5), gb.Tether(torch.zeros(1, 2), 2.0)])
    parts = (
        "Tempered(energy=Sequential of 33 parameters, temperature=0.5)",
        "Tether(centre=tensor(1, 2), sigma=2.0)",
    )
    assert repr(energy) == f"Product(energies=({', '.join(parts)}))"
    assert repr(gb.UniformNoise((2,), -2, 2)) == "UniformNoise(shape=(2,), low=-2, high=2)"


def test_parts_in_few_words() -> None:
    linear = nn.Linear(2, 1)
    assert brief(linear.forward) == "Linear.forward"
    assert brief(partial(test_parts_in_few_words, 1)) == "test_parts_in_few_words(...)"
    assert brief([torch.tensor(0.5), "a", (1,)]) == "[0.5, 'a', (1,)]"


def test_numbers_and_how_many_are_none() -> None:
    assert spread(torch.tensor([1.0, 3.0])) == "2 ± 1"
    assert spread(torch.tensor([1.0, 3.0, torch.inf, torch.nan])) == "2 ± 1, 2 not finite"
    assert spread(torch.tensor([torch.nan])) == "none, 1 not finite"


def test_every_public_record_of_kernels_and_energies_is_one_line() -> None:
    for kind in (gb.Langevin, gb.MALA, gb.HMC, gb.Underdamped, gb.Heun, gb.Product, gb.Mixture, gb.Given):
        assert kind.__repr__ is one_line


def test_records_of_chains_and_starts_show_no_tensors(tilted) -> None:
    model, rng = tilted(), gb.generator(0)
    samples = model.sample(40, seed=0)
    chain, stage = samples.chains[0], next(model.sampler().stages(40, rng))
    drawn = gb.UniformNoise((2,)).draw(40, rng)
    loss = gb.Loss(torch.ones(()), {"gap": torch.ones(())})
    for record in (samples, chain, chain.state, chain.info, stage, drawn, loss, gb.Streams(3), model):
        assert "tensor([" not in repr(record) and len(repr(record)) < 400, repr(record)
    assert repr(loss) == "Loss(value=1.0, metrics={gap: 1.0})"
    assert repr(gb.Streams(3)) == "Streams(3, device='cpu')"


def test_long_lists_and_numbers_are_cut() -> None:
    assert brief(list(range(100))) == "list of 100"
    assert brief(0.5000000000000001) == "0.5" and brief(1e-5) == "1e-05" and brief(0.02) == "0.02"
    assert brief({"a": torch.zeros(3)}) == "{a: tensor(3,)}"
