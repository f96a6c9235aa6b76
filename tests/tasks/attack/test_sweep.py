"""A sweep of radii: closed-form accuracies, one draw of noise for all points, chains that hide a gradient."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.tasks.attack.attacks import ATTACKS, attacks_for, require_known
from gibbsian.tasks.attack.pgd import margins
from gibbsian.tasks.attack.refinement import Plain, Refined
from gibbsian.tasks.attack.sweep import Threat, sweep

WIDE = (-9.0, 9.0)


def points(n=60, seed=0):
    return torch.rand(n, 4, generator=generator(seed), dtype=torch.float64) - 0.5


def pgd(*names):
    return [ATTACKS[name] for name in names]


def test_accuracy_of_a_linear_classifier_is_the_closed_form(bowl):
    system, x = bowl(), points()
    weight = system.weight.detach()[:2]

    def logits(x):
        return x @ weight.T

    y = torch.arange(60) % 2
    exact = -margins(logits(x), y) / (weight[0] - weight[1]).abs().sum()
    eps = (0.008, 0.003)  # in pixels of range 1; the box has range 18
    found = sweep(Plain(logits), pgd("pgd", "margin", "noise"), x, y, WIDE, Threat(eps=eps, steps=20))
    assert found.eps == (0.0, 0.003, 0.008) and found.n == 60
    shares = [float((exact > 18 * e).double().mean()) for e in found.eps]
    assert [v.estimate for v in found.worst] == pytest.approx(shares) and shares[0] > shares[1] > 0
    assert [v.estimate for v in found.by_attack["pgd"]] == pytest.approx(shares)
    noise = [v.estimate for v in found.by_attack["noise"]]
    assert noise[0] == shares[0] and all(a >= b for a, b in zip(noise, shares, strict=True))
    assert found.only_by(("noise",)) == [0, 0, 0] == found.only_by(("pgd", "margin", "noise"))


def test_further_restarts_and_attacks_never_raise_accuracy(bowl):
    system, x = bowl(), points()
    y = system.logits(x).argmax(1)
    threat = {"eps": (0.01, 0.02, 0.04), "steps": 2}
    with torch.no_grad():
        few, more = (
            sweep(Plain(system.logits), pgd("pgd", *extra), x, y, WIDE, Threat(**threat, restarts=k))
            for k, extra in ((1, ()), (4, ("margin",)))
        )
    assert not (more.right["pgd"] & ~few.right["pgd"]).any()
    assert all(a.estimate >= b.estimate for a, b in zip(few.worst, more.worst, strict=True))
    falls = [v.estimate for v in more.worst]
    assert falls == sorted(falls, reverse=True) and falls[0] == 1.0 > falls[-1]


def test_a_classifier_of_chance_is_not_broken_by_its_own(bowl):
    """Points that hardly move see the noise of the clean image, however often they are tried."""
    system, x = bowl(temperature=20.0), points(24)
    y = system.logits(x).argmax(1)
    names = ("pgd-straight", "pgd-eot", "pgd-full", "pgd-full-eot", "margin", "transfer", "noise")
    threat = Threat(eps=(1e-12, 2e-12), steps=1, restarts=3, batch=64)
    found = sweep(Refined(system, 2, 3), pgd(*names), x, y, WIDE, threat)
    clean = found.worst[0].estimate
    assert 0.2 < clean < 0.9 and [v.estimate for v in found.worst] == [clean] * 3


def test_an_attack_that_ignores_the_refinement_finds_nothing(bowl):
    """One step of size 4 turns x into -x, which only the gradient through the chain knows (IGEBM's slip)."""
    system, x = bowl(step_size=4.0), points()
    y = system.logits(-x).argmax(1)
    found = sweep(
        Refined(system, 1, 3, noiseless=True),
        pgd("transfer", "pgd-straight", "pgd-full"),
        x,
        y,
        WIDE,
        Threat(eps=(0.02,), steps=20, restarts=1),
    )
    shares = {name: found.by_attack[name][1].estimate for name in found.right}
    assert shares["transfer"] > 0.9 and shares["pgd-straight"] > 0.7 and shares["pgd-full"] < 0.5
    assert found.worst[1].estimate <= shares["pgd-full"]


def test_answers_that_are_not_finite_are_wrong():
    def logits(x):
        return torch.stack([x[:, 0], torch.full_like(x[:, 0], torch.nan)], 1)

    found = sweep(
        Plain(logits), pgd("noise"), points(3), torch.zeros(3, dtype=torch.long), WIDE, Threat(eps=(0.1,))
    )
    assert [v.estimate for v in found.worst] == [0.0, 0.0] and len(found.examples.y) == 0


def test_examples_are_the_points_and_answers_of_the_first_right_images(bowl):
    system, x = bowl(), points(30)
    y = system.logits(x).argmax(1)
    y[0] = (y[0] + 1) % 3
    with torch.no_grad():
        found = sweep(Plain(system.logits), pgd("pgd"), x, y, WIDE, Threat(eps=(0.0, 0.1), steps=10))
    shown = found.examples
    assert torch.equal(shown.x, x[1:9]) and torch.equal(shown.points["pgd"][0], x[1:9])
    with torch.no_grad():
        assert torch.equal(shown.said["pgd"][1], system.logits(shown.points["pgd"][1]).argmax(1))
    assert (shown.said["pgd"][1] != shown.y).all()


def test_progress_goes_up_to_the_end(bowl):
    seen, system, x = [], bowl(), points(20)
    with torch.no_grad():
        y = system.logits(x).argmax(1)
        sweep(
            Plain(system.logits),
            pgd("pgd", "margin"),
            x,
            y,
            WIDE,
            Threat(eps=(1e-3, 1e-2), steps=5, batch=8),
            lambda share, note: seen.append((share, note)),
        )
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and 0.9 < shares[-1] <= 1 and {n for _, n in seen} == {"pgd", "margin"}


def test_which_attacks_fit_which_classifier():
    told = [a.name for a in attacks_for(["all"], refines=True, joint=True)]
    assert told == ["margin", "pgd-straight", "pgd-full", "pgd-eot", "pgd-full-eot", "transfer", "noise"]
    assert [a.name for a in attacks_for(["all"], refines=False, joint=True)] == ["pgd", "margin", "noise"]
    papers = [
        attacks_for(["papers"], refines=r, joint=j)[0].name
        for r, j in ((False, False), (True, True), (True, False))
    ]
    assert papers == ["pgd (paper's)", "pgd-straight (paper's)", "transfer (paper's)"]


def test_only_an_attack_that_sees_the_answers_may_stop_at_the_first_error():
    plain = SimpleNamespace(random=False, refines=False)
    quiet, noisy = (SimpleNamespace(random=r, refines=True) for r in (False, True))
    assert ATTACKS["pgd"].is_own(plain) and ATTACKS["pgd-full"].is_own(quiet)
    assert not any(ATTACKS[name].is_own(noisy) for name in ATTACKS)
    assert not ATTACKS["transfer"].is_own(quiet) and not ATTACKS["noise"].is_own(plain)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: require_known(["pgd-strait"]), "unknown attack 'pgd-strait': did you mean 'pgd-straight'"),
        (lambda: require_known([]), "give 'all', 'papers', or names"),
        (lambda: require_known(["all", "pgd"]), "give 'all', 'papers', or names"),
        (
            lambda: attacks_for(["pgd"], refines=True, joint=False),
            "none of pgd attacks a classifier that ref",
        ),
        (lambda: attacks_for(["transfer"], refines=False, joint=False), "add one of pgd, margin, noise"),
        (lambda: Threat(eps=(-0.1,)), "eps is -0.1"),
        (lambda: Threat(eot=0), "eot is 0"),
        (lambda: Threat(norm="l1"), "unknown norm 'l1'"),
    ],
)
def test_wrong_arguments_are_one_line(make, told):
    with pytest.raises(UsageError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)
