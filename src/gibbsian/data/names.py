"""What data there is, by name. Imports no torch, so that `gibbsian list data` answers at once."""

from __future__ import annotations

from dataclasses import dataclass

TOYS = {
    "ring": "8 Gaussians on a circle of radius 1, deviation 0.15",
    "rings": "3 concentric circles, radii 0.5, 1 and 1.5, blurred by 0.08",
    "moons": "2 interleaved half circles, blurred by 0.1",
    "pinwheel": "5 twisted arms",
    "checkerboard": "uniform on 8 of the 16 unit squares of [-2, 2]^2",
    "grid3": "3 x 3 Gaussians, spacing 1, deviation 0.1",
    "grid5": "5 x 5 Gaussians, spacing 1, deviation 0.1",
    "line": "4 Gaussians in a row with weights 0.1, 0.2, 0.3 and 0.4",
    "line_even": "the same with equal weights",
    "wire": "4 modes on a slanted line, hardly thicker than it, weights 0.1, 0.2, 0.3 and 0.4",
}

TABLES = {
    "wine": ((13,), 3, "chemistry of wines from 3 growers", "S. Aeberhard, M. Forina, UCI, 1992 (CC BY 4.0)"),
    "breast_cancer": (
        (30,), 2, "measures of cell nuclei, 2 diagnoses", "W. Wolberg and others, UCI, 1995 (CC BY 4.0)",
    ),
    "diabetes": (
        (10,), 0, "9 measures of patients and the outcome",
        "B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, 2004",
    ),
    "iris": ((4,), 3, "petals and sepals of 3 species", "R. Fisher, 1936 (UCI, CC BY 4.0)"),
}  # fmt: skip
"""Shape of a row, classes, what, credit."""

SPRITE_SHAPES = ("square", "ellipse", "heart")
SPRITE_BLOCKS = {"shape": 3, "scale": 6, "position": 16, "rotation": 8}
"""Attributes of the built-in sprites, each a block of their conditions, and its length."""
SPRITES = {"sprites": tuple(SPRITE_BLOCKS)} | {f"sprites:{k}": (k,) for k in SPRITE_BLOCKS}
"""The sets of them, and which blocks each has."""
POINT_MASSES = {
    "two_way": (1, "steps of a point to the left or the right, given its place"),
    "ring": (2, "steps of a point in the plane in any direction, given its place"),
}
EPISODES = ("episodes:", "states:")
"""Before the name of a file of paths: as steps given state and action, or the state alone."""


def is_episodes(name: str) -> bool:
    """Whether a name is that of a set of transitions."""
    return name.startswith((*EPISODES, "pointmass:")) or name in ("adroit_door", "adroit_door:actions")


@dataclass(frozen=True)
class DataName:
    """One line of the list: `shape` is (channels, height, width) or (coordinates,), `()` if it varies.

    `validation` is the customary size of a validation set; `classes` is 0 for unlabelled data.
    """

    name: str
    shape: tuple[int, ...]
    classes: int
    what: str
    credit: str
    validation: int = 0
    aliases: tuple[str, ...] = ()


_NIST = "Y. LeCun, C. Cortes, C. Burges"
_SPRITES = "L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, 2017 (Apache-2.0)"
_ADROIT = "A. Rajeswaran and others, 2018 (Apache-2.0)"
_CIFAR = "A. Krizhevsky, V. Nair, G. Hinton, 2009"

DATA_NAMES = (
    DataName("digits", (1, 8, 8), 10, "handwritten digits, inside the package",
             "E. Alpaydin, C. Kaynak, UCI, 1998 (CC BY 4.0)", 197),
    DataName("mnist", (1, 28, 28), 10, "handwritten digits", _NIST, 5000),
    DataName("stacked_mnist", (3, 28, 28), 1000, "three MNIST digits, one a channel", _NIST, 5000),
    DataName("fashion_mnist", (1, 28, 28), 10, "articles of clothing",
             "H. Xiao, K. Rasul, R. Vollgraf, 2017 (MIT, Zalando SE)", 5000),
    DataName("emnist_letters", (1, 28, 28), 26, "handwritten letters",
             "G. Cohen, S. Afshar, J. Tapson, A. van Schaik, 2017", 800),
    DataName("notmnist", (1, 28, 28), 10, "letters A to J in many fonts", "Y. Bulatov, 2011", 1000),
    DataName("omniglot", (1, 28, 28), 242, "characters of 8 alphabets, 20 drawers each",
             "B. Lake, R. Salakhutdinov, J. Tenenbaum, 2015 (MIT)", 400),
    DataName("cifar10", (3, 32, 32), 10, "small photographs", _CIFAR, 1000),
    DataName("cifar100", (3, 32, 32), 0, "small photographs of 100 other classes, unlabelled here", _CIFAR),
    DataName("svhn", (3, 32, 32), 10, "house numbers in photographs", "Y. Netzer and others, 2011", 1000),
    DataName("dtd", (3, 64, 64), 8, "textures, 8 classes", "M. Cimpoi and others, 2014", 80),
    DataName("faces", (1, 56, 46), 40, "ORL faces, 40 people",
             "Olivetti Research Laboratory (AT&T Laboratories Cambridge)", 34, ("orl", "orl_faces")),
    DataName("cbcl_faces", (1, 19, 19), 2, "faces and other image patches",
             "MIT Center for Biological and Computational Learning", 400),
    DataName("facades", (3, 64, 64), 0, "photographs of house fronts, each with its label map as condition",
             "R. Tylecek, R. Sara, 2013", 30),
    DataName("facades:labels", (3, 64, 64), 0, "the label maps, each with its photograph as condition",
             "R. Tylecek, R. Sara, 2013", 30),
    DataName("dsprites", (1, 64, 64), 0, "shapes of 5 known factors (re-rendered, if the original is absent)",
             _SPRITES, 5000),
    DataName("dsprites32", (1, 32, 32), 0, "the same at half the size", _SPRITES, 5000),
    DataName("sprites", (1, 32, 32), 0, "a square, ellipse or heart, rendered here; attributes as condition",
             "exact rendering of any attributes", 5000),
    *(DataName(f"sprites:{k}", (1, 32, 32), 0, f"the same with {k} alone as condition",
               "exact rendering of any attributes", 5000) for k in SPRITE_BLOCKS),
    *(DataName(f"table:{k}", *line, 20) for k, line in TABLES.items()),
    *(DataName(f"toy:{k}", (2,), 0, what, "exact log-density and draws", 5000) for k, what in TOYS.items()),
    *(DataName(f"pointmass:{k}", (n,), 0, what, "exact density of a step and of a place", 5000)
      for k, (n, what) in POINT_MASSES.items()),
    DataName("adroit_door", (39,), 0, "steps of a simulated hand opening a door, moved by a person", _ADROIT,
             500),
    DataName("adroit_door:actions", (39,), 0, "the same, given the actions too", _ADROIT, 500),
    DataName("A:to:B", (), 0, "two sets of images for translation: rows of B, each with an image of A", ""),
    DataName("folder:DIR", (), 0, "your images; sub-folders: classes, or train and test; or DIR@size=32", ""),
    DataName("FILE.npz", (), 0, "your arrays: x and y, images and labels, or train_x, test_x, ...", ""),
    DataName("episodes:FILE", (), 0, "paths in an .npz or table: steps given state and action, states:FILE"
             " given the state", ""),
    DataName("FILE.npy", (), 0, "your array, one row a sample", ""),
    DataName("FILE.csv", (), 0, "your table, or .tsv, .txt, .parquet; a column headed label: classes", ""),
)  # fmt: skip

ALIASES = {alias: entry.name for entry in DATA_NAMES for alias in (entry.name, *entry.aliases)}


def entry(name: str) -> DataName | None:
    """The line for a set's name or alias; None for files, folders and unknown names."""
    return next((line for line in DATA_NAMES if line.name == ALIASES.get(name)), None)
