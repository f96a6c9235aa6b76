"""Scores of systems whose energies and logits are known in closed form."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.spec import DataSpec
from gibbsian.models.build import build
from gibbsian.models.capabilities import MultiLevel, offered
from gibbsian.models.drl.config import DRLConfig
from gibbsian.models.drl.model import LadderEnergy
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import Sampler
from gibbsian.models.score_matching.config import MatchingConfig, ScoreMatchingConfig
from gibbsian.nets.settings import MLPConfig
from gibbsian.tasks.ood.cells import Scored, cell
from gibbsian.tasks.ood.scores import Known, Scale, evaluate, png_bits, scores_of

SHAPE = (1, 4, 4)


class Known4(EnergyModel):
    """S(x) = weight |x - mean|^2 / 2 of 4x4 images in [0, 1], and three logits."""

    def __init__(
        self,
        mean: float = 0.5,
        weight: float = 1.0,
        *,
        claimed: bool = False,
        head: bool = True,
        shape: tuple[int, ...] = SHAPE,
    ) -> None:
        super().__init__(DataSpec(shape, 0.0, 1.0, 3 if head else 0), claims_density=claimed)
        self.place, self.weight = nn.Parameter(torch.tensor(mean)), weight

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return 0.5 * self.weight * (x - self.place).flatten(1).square().sum(1)

    def neg_log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.energy(x, y)

    def logits(self, x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1).sum(1), torch.zeros(len(x)), -torch.ones(len(x))], 1)


def images(n: int = 60, seed: int = 0) -> Tensor:
    return torch.randint(256, (n, 4, 4), generator=generator(seed)).to(torch.uint8)


def score(name: str, system, x: Tensor, **known) -> Tensor:
    ready, _ = scores_of(system, [name], Known(known.pop("train", images()), **known))
    return evaluate(system, ready[name], x)


def test_plain_scores_are_their_formulas() -> None:
    system, x = Known4(), images(7, 1)
    unit = x.double() / 255
    square = (unit - 0.5).flatten(1).square().sum(1)
    torch.testing.assert_close(score("energy", system, x), -square / 2, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(score("grad", system, x), -square.sqrt(), rtol=1e-5, atol=1e-5)
    logits = torch.stack([unit.flatten(1).sum(1), torch.zeros(7), -torch.ones(7)], 1).double()
    torch.testing.assert_close(score("lse", system, x), logits.logsumexp(1), rtol=1e-5, atol=1e-5)
    top = logits.softmax(1).amax(1).log()
    torch.testing.assert_close(score("max_p", system, x), top, rtol=1e-4, atol=1e-6)


def test_certain_answers_keep_their_order() -> None:
    """exp(-40) and exp(-50) from 1 are one float64 number, but two scores."""

    class Certain(Known4):
        def logits(self, x: Tensor) -> Tensor:
            return torch.stack([torch.tensor([40.0, 50.0]), torch.zeros(2)], 1)

    found = score("max_p", Certain(), images(2), train=images(2))
    assert found[0] < found[1] < 0


class Linear(Known4):
    """S(x) = -255 x of images of one pixel: the energy of an exponential tilt."""

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return -255 * x.flatten(1).sum(1)


@pytest.mark.parametrize("d", [0.0, 1.0, 2.0])
def test_gaussian_energies_give_the_area_of_the_closed_form(d) -> None:
    """Energies N(m, s^2) inside and N(m + d s, s^2) outside: the area is Phi(d / sqrt 2)."""
    rng, system = generator(5), Linear(shape=(1, 1, 1))
    inside, outside = (
        (160 - 20 * (torch.randn(5000, 1, 1, generator=rng) + shift)).round().clamp(0, 255).to(torch.uint8)
        for shift in (0.0, d)
    )
    values = [score("energy", system, x, train=inside) for x in (inside, outside)]
    found = cell(Scored(values[0], {"far": values[1]}), "far", 0, "energy").auroc
    wanted = float(torch.special.ndtr(torch.tensor(d / 2**0.5)))
    assert found.estimate == pytest.approx(wanted, abs=2 * found.half_width) and found.half_width < 0.012


def test_typicality_prefers_the_training_mean_to_the_lowest_energy() -> None:
    """A constant image at the mode has the lowest energy of all, and is the least typical."""
    system, train = Known4(127 / 255), images()
    mode, usual = torch.full((1, 4, 4), 127, dtype=torch.uint8), images(50, 2)
    mean = -evaluate(system, scores_of(system, ["energy"], Known(train))[0]["energy"], train).mean()
    assert score("energy", system, mode).item() > score("energy", system, usual).max()
    found = score("typicality", system, mode, train=train)
    assert found.item() == pytest.approx(-mean.item(), rel=1e-6)
    assert found.item() < score("typicality", system, usual, train=train).min()


def test_ratio_of_matched_systems_is_in_nats_else_in_deviations() -> None:
    x, train = images(5, 3), images()
    for claimed in (True, False):
        one, other = Known4(0.5, 3.0, claimed=claimed), Known4(0.2, 0.5, claimed=claimed)
        own, its = (-score("energy", s, x) for s in (one, other))
        if not claimed:
            own = Scale.of(-score("energy", one, train))(own)
            its = Scale.of(-score("energy", other, train))(its)
        found = score("ratio", one, x, background=other)
        torch.testing.assert_close(found, its - own, rtol=1e-5, atol=1e-5)


def test_complexity_adds_the_length_of_a_png_in_deviations(tmp_path) -> None:
    system, x, train = Known4(), torch.cat([images(4, 4), torch.zeros(1, 4, 4, dtype=torch.uint8)]), images()
    bits, energies = png_bits(x), -score("energy", system, x)
    assert bits[-1] < bits[:-1].min() and bits.min() > 0
    Image.fromarray(x[0].numpy()).save(tmp_path / "x.png", optimize=True)
    assert float(bits[0]) == 8 * ((tmp_path / "x.png").stat().st_size - 57)
    assert Scale(2.0, 4.0)(torch.tensor([2.0, 10.0])).tolist() == [0, 2]
    own, its = Scale.of(-score("energy", system, train)), Scale.of(png_bits(train))
    torch.testing.assert_close(
        score("complexity", system, x), its(bits) - own(energies), rtol=1e-5, atol=1e-5
    )


def test_levels_of_a_ladder_are_summed_in_deviations() -> None:
    class Laddered(Known4):
        levels = 2

        def noised(self, x: Tensor, level: int, rng: torch.Generator) -> Tensor:
            raise NotImplementedError

        def level_terms(self, x: Tensor, rng: torch.Generator) -> Tensor:
            return torch.stack([self.energy(x), 1000 * x.flatten(1).sum(1)], 1)

        def descent(self, x: Tensor, sigma: float) -> tuple[Sampler, int]:
            raise NotImplementedError

    system, x, train = Laddered(), images(5, 5), images()
    columns = [-score("energy", system, y).double() for y in (x, train)]
    sums = [1000 * y.double().flatten(1).sum(1) / 255 for y in (x, train)]
    wanted = -(Scale.of(columns[1])(columns[0]) + Scale.of(sums[1])(sums[0]))
    torch.testing.assert_close(score("levels", system, x), wanted, rtol=1e-4, atol=1e-4)


def test_all_leaves_out_what_a_system_cannot_give_and_a_name_does_not() -> None:
    system = Known4(head=False)
    ready, missing = scores_of(system, None, Known(images()))
    assert set(ready) == {"energy", "grad", "typicality", "complexity"}
    assert missing["lse"] == missing["max_p"] and "no label head" in missing["lse"]
    assert "--background" in missing["ratio"]
    with pytest.raises(UsageError, match="no label head"):
        scores_of(system, ["lse"], Known(images()))
    with pytest.raises(UsageError, match="did you mean 'energy'"):
        scores_of(system, ["enrgy"], Known(images()))
    with pytest.raises(UsageError, match="Known4 has no ladder"):
        scores_of(system, ["levels"], Known(images()))
    other = Known4(shape=(3, 4, 4))
    with pytest.raises(UsageError, match="background models data of shape"):
        scores_of(system, ["ratio"], Known(images(), other))


def small_ladder() -> LadderEnergy:
    model = build("drl", DRLConfig(net=MLPConfig(hidden=(8,))), SHAPE, generator(0)).model
    assert isinstance(model, LadderEnergy)
    return model


def test_levels_of_drl_are_its_conditionals_energies_of_noised_data() -> None:
    """The first is E(a x_0', 0) / b_0^2 at noise sigma_bar_0, which is -log p of x_0'."""
    system, x = small_ladder(), torch.rand(6, *SHAPE, generator=generator(1)) * 2 - 1
    with torch.no_grad():
        found = system.level_terms(x, generator(2))
        x_0 = system.noised(x, 0, generator(2))
        torch.testing.assert_close(found[:, 0], system.neg_log_prob(x_0))
    assert found.shape == (6, system.ladder.levels) and bool(torch.isfinite(found).all())


def test_levels_of_score_matching_are_its_losses() -> None:
    """For E = 0 the residual is eps itself: |eps|^2 / 2."""
    net = MLPConfig(hidden=(8,))
    ladder = ScoreMatchingConfig(net=net, matching=MatchingConfig(levels=4, sigma_max=1.0, sigma_min=0.1))
    model = build("score_matching", ladder, SHAPE, generator(0)).model
    with torch.no_grad():
        for p in model.net.head.parameters():
            p.zero_()
    x, rng = torch.zeros(5, *SHAPE), generator(3)
    wanted = [torch.randn(x.shape, generator=rng).flatten(1).square().sum(1) / 2 for _ in range(4)]
    found = offered(model, MultiLevel).level_terms(x, generator(3)).detach()
    torch.testing.assert_close(found, torch.stack(wanted, 1))
    single = ScoreMatchingConfig(net=net, matching=MatchingConfig(levels=1))
    with pytest.raises(UsageError, match="no ladder of noise levels"):
        scores_of(build("score_matching", single, SHAPE, generator(0)).model, ["levels"], Known(images()))
