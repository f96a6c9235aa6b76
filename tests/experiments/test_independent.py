"""Plain projected gradient ascent beside an attack library: the same robust accuracy within 1 %."""

from __future__ import annotations

import pytest
import torch

from experiments.attack.baselines import Training, baseline
from gibbsian.core.random import generator
from gibbsian.data.load import load
from gibbsian.nets.frozen import frozen
from gibbsian.nets.settings import MLPConfig
from gibbsian.tasks.attack.pgd import Ball, Climb, pgd

STEPS, RADII = 40, {"linf": (0.0, 0.03, 0.06, 0.1), "l2": (0.15, 0.3, 0.6)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("norm", RADII)
def test_plain_pgd_agrees_with_foolbox(norm, capsys):
    foolbox = pytest.importorskip("foolbox", reason="pip install foolbox==3.3.4")
    net = MLPConfig(hidden=(64,), activation="swish")
    net = baseline("plain", load("digits"), Training(net, (0.0, 1.0), updates=300)).net
    test = load("digits", "test")
    batch = test.batch(torch.arange(len(test)), 0.0, 1.0)
    theirs_of = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    torch.manual_seed(0)
    with frozen(net):
        for radius in RADII[norm]:
            found = pgd(net, batch.x, batch.y, Ball(norm, radius, 0.0, 1.0), Climb(STEPS, 1), generator(0))[0]
            with torch.no_grad():
                ours = float((net(found).argmax(1) == batch.y).float().mean())
            attack = theirs_of(steps=STEPS, rel_stepsize=2.5 / STEPS, random_start=True)
            model = foolbox.PyTorchModel(net, bounds=(0.0, 1.0), device="cpu")
            theirs = 1 - float(attack(model, batch.x, batch.y, epsilons=radius)[2].float().mean())
            with capsys.disabled():
                print(f"\n{norm} {radius}: ours {ours:.4f}, foolbox {theirs:.4f}, n = {len(test)}", end="")
            assert abs(ours - theirs) <= 0.01
