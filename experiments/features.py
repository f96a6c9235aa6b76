"""The feature networks of the package, and what the measures see: the tables of docs/measures.md.

python -m experiments.features train NAME [--role judge]            weights and record of a net of the package
python -m experiments.features spoiled NAME [-n 2000] [--features F] [--record OUT.json]  spoiled images
python -m experiments.features agree NAME RUN [-n 2000]               distances in two nets trained apart

Nets are trained on the whole training part, from a seed that follows from their name; settings were chosen
with the last images of that part set aside. Spoiled are held-out images that the evaluator does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

import gibbsian as gb
from experiments.book.records import made_here
from gibbsian.data.dataset import Dataset
from gibbsian.metrics.baselines import class_gaussians
from gibbsian.metrics.frechet import frechet_distance
from gibbsian.models.samples import draw_samples
from gibbsian.report.tables import table
from gibbsian.tasks.chains import every_label
from gibbsian.tasks.classifier import save_classifier
from gibbsian.tasks.feature_names import features_named
from gibbsian.tasks.features import (
    ASSETS,
    ROLES,
    SHIPPED,
    SmallNet,
    asset,
    classifier_for,
    classifier_rng,
    train_classifier,
)
from gibbsian.tasks.image_evaluator import ImageEvaluator, LabelledImages

UPDATES = {"digits": 2000, "mnist": 3000, "fashion_mnist": 4000, "cifar10": 3000}
COMMAND = "python -m experiments.features"
SHOWN = (
    *("feature_distance", "kid", "c2st", "confidence", "class_entropy", "precision", "recall", "density"),
    *("coverage", "nn_ratio", "near_copies", "diversity"),
)
NOISE, BLUR, FEW = (0.1, 0.2, 0.4), (1.0, 2.0, 4.0), 20
"""Deviations for pixels in [-1, 1], deviations in pixels of 28, and images that are repeated."""


def train(name: str, role: str, updates: int | None, out: Path) -> None:
    """A net of the package, with its record beside it."""
    begun = time.process_time()
    data, test = (gb.dataset(name, part) for part in ("train", "test"))
    rng = classifier_rng(name, role)
    net = train_classifier(data, rng, updates=updates or UPDATES[name], role=role, test=test, progress=True)
    path = out / asset(name, role).name
    save_classifier(net, path)
    path.with_suffix(".json").write_text(json.dumps(net.record, indent=1) + "\n")
    spent = time.process_time() - begun
    print(f"{path}: accuracy {net.record['test_accuracy']}, {spent:.0f} s of a core", file=sys.stderr)


def evaluator_and_clean(name: str, n: int, features: str | None = None) -> tuple[ImageEvaluator, Dataset]:
    """An evaluator against half of the test images, at most `n`, and the other half, clean."""
    test = gb.dataset(name, "test")
    order = torch.randperm(len(test), generator=gb.generator(1))
    held, clean = (test.subset(part[:n]) for part in order.chunk(2))
    train = gb.dataset(name)
    space = features_named(features, train)
    kind = LabelledImages if isinstance(space, SmallNet) else ImageEvaluator
    return kind(train, held, n, gb.generator(0), -1.0, 1.0, space), clean


def spoiled_sets(train: Dataset, clean: Dataset) -> dict[str, Tensor]:
    """Images (n, C, H, W) in [-1, 1] by what was done to them; `clean` is the first."""
    n, rng = len(clean), gb.generator(0)
    x, known = (data.batch(torch.arange(len(data))).x for data in (clean, train))
    found = {"clean": x}
    for s in NOISE:
        found[f"noise {s}"] = (x + s * torch.randn(x.shape, generator=rng)).clamp(-1, 1)
    found["uniform noise"] = 2 * torch.rand(x.shape, generator=rng) - 1
    for s in BLUR:
        found[f"blur {s}"] = blurred(clean.x, s * x.shape[2] / 28)
    found["few repeated"] = x[:FEW].repeat(-(-n // FEW), 1, 1, 1)[:n]
    found["copies"] = known[torch.randperm(len(known), generator=rng)[:n]]
    if train.y is not None and clean.y is not None:
        means = torch.stack([known[train.y == c].mean(0) for c in range(len(train.classes))])
        found["class means"] = means[clean.y]
        rest = (clean.y != 3).nonzero()[:, 0]
        found["a class missing"] = x[rest]
        found["class Gaussians"] = class_gaussians(known, train.y, n, rng)[0]
    return found


def blurred(x: Tensor, sigma: float) -> Tensor:
    """uint8 images as a data set keeps them, blurred by Pillow, in [-1, 1]."""
    change: Callable[[Image.Image], Image.Image] = lambda image: image.filter(ImageFilter.GaussianBlur(sigma))  # noqa: E731
    made = np.stack([np.asarray(change(Image.fromarray(a))) for a in x.numpy()])
    return torch.from_numpy(made).reshape(*x.shape[:3], -1).permute(0, 3, 1, 2) / 127.5 - 1


def spoiled(name: str, n: int, features: str | None, out: Path | None = None) -> str:
    """A Markdown table of all measures; `out` is for a record of them, with those of `SHOWN` in its table."""
    evaluator, clean = evaluator_and_clean(name, n, features)
    rows = {key: evaluator.measure(x) for key, x in spoiled_sets(evaluator.train, clean).items()}
    title, keys = f"{name}, n = {len(clean)}", list(rows["clean"])
    if out:
        record = {
            "source": "measured",
            "command": f"{COMMAND} spoiled {name} -n {n} --record docs/records/{out.name}",
            **made_here(),
            "seed": 0,
            "features": features or "classes",
            "rows": rows,
            "table": {"head": [title, *SHOWN], "body": _cells(rows, SHOWN)},
        }
        out.write_text(json.dumps(record, indent=1) + "\n")
    return table([title, *keys], _cells(rows, keys), markdown=True)


def _cells(rows: dict[str, dict[str, float]], keys: Sequence[str]) -> list[list[str]]:
    return [
        [row, *(f"{round(found[k], 6):.3g}".replace("-", "−") for k in keys)] for row, found in rows.items()
    ]


def agree(name: str, run: str, n: int) -> str:
    """Distances of a run's samples and of baselines to held-out images in both nets, and a ratio."""
    evaluator, _ = evaluator_and_clean(name, n)
    model, rng = gb.load(run).inner, gb.generator(0)
    drawn = draw_samples(model, model.sampler(), n, rng=rng, y=every_label(model, n, rng)).x
    sets = {
        "model": evaluator.as_picture((drawn - model.spec.low) * 2 / (model.spec.high - model.spec.low) - 1)
    }
    sets |= {key: evaluator.as_picture(draw(n, rng)) for key, draw in evaluator.baselines().items()}
    rows = {}
    for role in ROLES:
        net = classifier_for(evaluator.train, role)
        rows[role] = {
            k: frechet_distance(net.features(x), net.features(evaluator.held_x)) for k, x in sets.items()
        }
        rows[role]["class Gaussians / model"] = rows[role]["class Gaussians"] / rows[role]["model"]
    body = [[role, *(f"{v:.3g}" for v in found.values())] for role, found in rows.items()]
    return table([name, *rows["judge"]], body, markdown=True)


def main(argv: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("train")
    one.add_argument("name", choices=list(SHIPPED))
    one.add_argument("--role", choices=ROLES, default="features")
    one.add_argument("--updates", type=int)
    one.add_argument("--out", type=Path, default=ASSETS)
    for kind in ("spoiled", "agree"):
        other = kinds.add_parser(kind)
        other.add_argument("name")
        if kind == "agree":
            other.add_argument("run")
        else:
            other.add_argument("--features")
            other.add_argument("--record", type=Path)
        other.add_argument("-n", type=int, default=2000)
    args = parser.parse_args(argv)
    if args.kind == "train":
        train(args.name, args.role, args.updates, args.out)
    else:
        print(
            spoiled(args.name, args.n, args.features, args.record)
            if args.kind == "spoiled"
            else agree(args.name, args.run, args.n)
        )


if __name__ == "__main__":
    main()
