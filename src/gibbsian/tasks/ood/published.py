"""What papers printed as AUROC, CIFAR-10 being inside.

No test set of theirs is exactly one of ours: SVHN, CIFAR-100 and textures come in full there, and JEM's own
script adds noise to test images. Sources: IGEBM, PixelCNN++ and Glow in Y. Du, I. Mordatch 2019 (arXiv
1903.08689); JEM in W. Grathwohl et al. 2020 (1912.03263); JEM++ in X. Yang, S. Ji 2021 (2109.09032); VERA in
W. Grathwohl et al. 2021 (2010.04230); Improved CD in Y. Du et al. 2021 (2012.01316); VAEBM and NVAE in
Z. Xiao et al. 2021 (2010.00654).
"""

from __future__ import annotations

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
