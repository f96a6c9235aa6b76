"""How much chains of one class differ: from noise, and as completions of one image.

as asked       share of chains from noise that are judged as the class asked for
spread         mean feature distance between pairs of one class, over the same of test images; 1 is theirs
completions    root mean square distance between completions of the lower half of an image, over the
               hidden pixels on [0, 1]; test images of the class beside
differ         share of images whose completions all differ as pictures
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gibbsian.core.random import derive, generator
from gibbsian.metrics.interval import Interval, share_interval
from gibbsian.models.samples import draw_samples
from gibbsian.report.tables import over
from gibbsian.tasks.convert.classes import Setting, Sources
from gibbsian.tasks.restore.complete import complete
from gibbsian.tasks.restore.corruption import Corrupted, HiddenPixels
from gibbsian.tasks.restore.measure import CleanImages
from gibbsian.tasks.restore.task import RestoreConfig

HALF = HiddenPixels("bottom")
COMPLETIONS = 3


@dataclass(frozen=True, eq=False)
class Modes:
    """Measures of `per_class` chains of each class; `x` `(classes, per_class, C, H, W)` in [0, 1]."""

    per_class: int
    measures: dict[str, Interval]
    x: Tensor


def spread(setting: Setting, begun: Sources, per_class: int) -> Modes:
    """Draw `per_class` chains of each class from noise, and complete every source image three times."""
    classes = setting.classes
    y = torch.arange(classes, device=setting.device).repeat_interleave(per_class)
    drawn = draw_samples(
        setting.model,
        setting.model.sampler(),
        len(y),
        rng=setting.rng("modes"),
        y=y,
        progress=_report(setting),
    )
    x = setting.unit(drawn.x).clamp(0, 1)
    judged = setting.judged(x).argmax(1) == y.cpu()
    ours = _pairwise(setting.seen(x), classes)
    theirs = _pairwise(setting.seen(_of_test(setting, per_class)), classes)
    measures = {
        "as asked": share_interval(int(judged.sum()), len(y)),
        "spread": over((ours / theirs).tolist()),
        **_completed(setting, begun),
    }
    return Modes(per_class, measures, x.view(classes, per_class, *x.shape[1:]))


def _completed(setting: Setting, begun: Sources) -> dict[str, Interval]:
    pixels = setting.model.spec
    hidden = HALF.apply(begun.x, pixels.low, pixels.high, generator(0))
    config = RestoreConfig(completions=COMPLETIONS, steps=setting.steps, method="chain")
    done = complete(
        setting.model, hidden.to(setting.device), config, rng=setting.rng("completions"),
        y=begun.y.to(setting.device),
    )  # fmt: skip
    assert hidden.known is not None
    truth = CleanImages(setting.unit(begun.x), ~hidden.known)
    found = truth.diversity(setting.unit(done.x))
    apart = truth.diversity(torch.stack([truth.x, _other_halves(setting, begun, hidden)]))["distance"]
    return {
        "completions": over(found["distance"].tolist()),
        "completions, test images": over(apart.tolist()),
        "differ": share_interval(int(found["differ"].sum()), len(begun.x)),
    }


def _other_halves(setting: Setting, begun: Sources, hidden: Corrupted) -> Tensor:
    """Each source image with the hidden pixels of another test image of its class, in [0, 1]."""
    order = torch.arange(len(begun.y)).view(setting.classes, -1).roll(1, 1).flatten()
    assert hidden.known is not None
    return setting.unit(torch.where(hidden.known, begun.x, begun.x[order]))


def _of_test(setting: Setting, per_class: int) -> Tensor:
    """Test images, `per_class` of each class in turn (again and again where there are fewer), in [0, 1]."""
    test = setting.test
    assert test.y is not None
    rng, rows = generator(derive(setting.seed, "spread")), []
    for c in range(setting.classes):
        own = (test.y == c).nonzero()[:, 0]
        order = torch.randperm(len(own), generator=rng)
        rows.append(own[order[torch.arange(per_class) % len(own)]])
    return test.batch(torch.cat(rows), 0.0, 1.0).x


def _pairwise(features: Tensor, classes: int) -> Tensor:
    """Mean distance between two of one class, `(classes,)`."""
    return torch.stack([torch.pdist(part.double()).mean() for part in features.chunk(classes)])


def _report(setting: Setting) -> Callable[[int, int], None]:
    return lambda made, steps: setting.progress(made, steps, "from noise")
