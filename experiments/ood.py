"""`python -m experiments.ood FOLDER`: what `gibbsian ood` found, beside the AUROC that papers printed.

Figures of papers are with CIFAR-10 inside.

No test set of theirs is exactly one of ours: SVHN, CIFAR-100 and textures come in full there, and JEM's own
script adds noise to test images. Sources: IGEBM, PixelCNN++ and Glow in Y. Du, I. Mordatch 2019 (arXiv
1903.08689); JEM in W. Grathwohl et al. 2020 (1912.03263); JEM++ in X. Yang, S. Ji 2021 (2109.09032); VERA in
W. Grathwohl et al. 2021 (2010.04230); Improved CD in Y. Du et al. 2021 (2012.01316); VAEBM and NVAE in
Z. Xiao et al. 2021 (2010.00654).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from gibbsian.cli.main import program
from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result
from gibbsian.core.errors import UsageError
from gibbsian.report.tables import table

INSIDE = "cifar10"
PUBLISHED: dict[str, dict[str, float]] = {
    "IGEBM -E": {
        "svhn": 0.63, "cifar100": 0.50, "dtd": 0.48, "constant": 0.30, "noise": 1.0, "interpolation": 0.70,
    },
    "JEM lse": {"svhn": 0.67, "cifar100": 0.67, "interpolation": 0.65},
    "JEM++ lse": {"svhn": 0.85, "cifar100": 0.68, "interpolation": 0.57},
    "VERA": {"svhn": 0.83, "cifar100": 0.73, "interpolation": 0.86},
    "Improved CD": {"svhn": 0.91, "cifar100": 0.83, "dtd": 0.88},
    "VAEBM": {"svhn": 0.83, "cifar100": 0.62},
    "NVAE": {"svhn": 0.42},
    "PixelCNN++": {"svhn": 0.32, "dtd": 0.33, "constant": 0.0, "noise": 1.0, "interpolation": 0.71},
    "Glow": {"svhn": 0.24, "dtd": 0.27, "constant": 0.0, "noise": 1.0, "interpolation": 0.59},
}  # fmt: skip
"""AUROC by model and by our name of the set."""


def ood(folder: Annotated[str, Arg("where `gibbsian ood` wrote ood.json", "FOLDER")]) -> Result:
    """The AUROC of every score on every set of a comparison with CIFAR-10 inside, and what papers printed on
    sets like them.
    """
    path = Path(folder) / "ood.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: run `gibbsian ood RUN` first") from error
    if found["data"] != INSIDE:
        raise UsageError(f"{path} has {found['data']} inside: papers printed figures for {INSIDE} only")
    names = [one["name"] for one in found["sets"]]
    ours = {score: {k: v["auroc"]["value"] for k, v in row.items()} for score, row in found["scores"].items()}
    text = f"measured AUROC\n{rows(ours, names)}\n\npublished AUROC\n{rows(PUBLISHED, names)}"
    return Result({"measured": ours, "published": PUBLISHED}, text)


def rows(figures: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """A row a set, a column a model; a dash where there is no figure."""
    body = [
        [name, *(f"{row[name]:.2f}" if name in row else "-" for row in figures.values())] for name in names
    ]
    return table(["set", *figures], body)


if __name__ == "__main__":
    sys.exit(program("python -m experiments.ood", ood))
