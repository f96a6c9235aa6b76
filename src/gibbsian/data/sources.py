"""The table of named sets: where each one's files lie, how they are read, where they can be had.

A set may come in several forms (the public files, or a smaller file of our own); the first form
whose files are all there is used. A form without remotes cannot be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from .download import Remote
from .matlab import read_svhn
from .readers import Arrays, read_cifar, read_idx_pair, read_npz, read_split_npz
from .sprites import read_sprites

WHOLE = "whole"
"""The key of a set that has no train and test of its own."""

IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True, eq=False)
class Source:
    """One form of a set: candidate `folders`, the `files` of each split, `read(paths, split)`.

    `page` tells where people find files that have no address with a known checksum in `remotes`.
    """

    folders: tuple[str, ...]
    files: dict[str, tuple[str, ...]]
    read: Callable[[list[Path], str], Arrays]
    remotes: dict[str, Remote] | None = None
    page: str = ""

    def part(self, split: str) -> str:
        """`split`, or `WHOLE` where the set is not divided."""
        return WHOLE if WHOLE in self.files else split


def _idx(folders: tuple[str, ...], base: str, sums: tuple[str, ...], classes: tuple[str, ...]) -> Source:
    """MNIST's four files, or, given two checksums, the two of the test part as the whole set."""
    names = IDX_FILES[-len(sums) :]
    files = {"train": names[:2], "test": names[2:]} if len(sums) == 4 else {WHOLE: names}
    remotes = {name: Remote(base + name, digest) for name, digest in zip(names, sums, strict=True)}
    return Source(folders, files, partial(_read_idx, classes=classes), remotes)


def _read_idx(paths: list[Path], split: str, *, classes: tuple[str, ...]) -> Arrays:
    arrays = read_idx_pair(*paths)
    return Arrays(arrays.x, arrays.y, classes)


def _read_cifar(paths: list[Path], split: str) -> Arrays:
    arrays = read_cifar(paths)
    return Arrays(arrays.x, arrays.y, CIFAR10)


def _npz(
    folder: str,
    file: str,
    *,
    parts: tuple[str, ...] = ("train", "test"),
    stored: str | None = None,
    x: str = "x",
    cond: str | None = None,
    labelled: bool = True,
    classes: tuple[str, ...] | None = None,
) -> Source:
    """A file of ours. `stored` is the prefix of its arrays where that is not the split's name."""

    def read(paths: list[Path], split: str) -> Arrays:
        arrays = read_split_npz(paths[0], stored or split, x=x, cond=cond)
        y = arrays.y if labelled else None
        return Arrays(arrays.x, y, (arrays.classes or classes) if labelled else None, arrays.cond)

    return Source((folder,), {part: (file,) for part in parts}, read)


def _shuffled(source: Source) -> Source:
    """The same rows in a fixed random order, for a file that is sorted by class."""

    def read(paths: list[Path], split: str) -> Arrays:
        arrays = source.read(paths, split)
        order = np.random.RandomState(0).permutation(len(arrays.x))
        return Arrays(arrays.x[order], None if arrays.y is None else arrays.y[order], arrays.classes)

    return Source(source.folders, source.files, read)


def _stacked(source: Source) -> Source:
    """Images of three random digits, one a colour channel; class 100 a + 10 b + c. Drawn with replacement
    from the same part (L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein, 2017, arXiv 1611.02163)."""

    def read(paths: list[Path], split: str) -> Arrays:
        digits = source.read(paths, split)
        rng = np.random.RandomState(STACK_SEED[split])
        rows = rng.randint(0, len(digits.x), (STACK_SIZE[split], 3), dtype=np.int64)
        x = np.stack([digits.x[column] for column in rows.T], -1)
        y = np.asarray(digits.y, np.int64)[rows] @ np.array([100, 10, 1])
        return Arrays(x, y, STACKS)

    return Source(source.folders, source.files, read, source.remotes)


def _sprites(folder: str, file: str, side: int) -> Source:
    """dSprites, 64 pixels or 32 a side."""

    def read(paths: list[Path], split: str) -> Arrays:
        return read_sprites(paths[0], split, side)

    return Source((folder,), {"train": (file,), "test": (file,)}, read)


DIGITS = tuple("0123456789")
STACKS = tuple(f"{i:03d}" for i in range(1000))
STACK_SIZE = {"train": 60_000, "test": 10_000}
STACK_SEED = {"train": 0, "test": 1}
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
BATCHES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))

_CIFAR_ARCHIVE = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    tuple(f"cifar-10-batches-bin/{name}" for name in (*BATCHES, "test_batch.bin")),
)
_SPRITES = (
    ("dsprites", "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"),
    ("dsprites_rerendered", "dsprites_rerendered_ndarray_co1sh3sc6or40x32y32_64x64.npz"),
)
_FACADES = ("facades", "facades_pairs_64x64.npz")


def _adroit(paths: list[Path], split: str) -> Arrays:
    """Rows of all episodes, the number of each one's episode as y, actions as cond."""
    arrays = read_npz(paths[0])
    kept = np.arange(arrays["observations"].shape[1]) < arrays["lengths"][:, None]
    number = np.repeat(np.arange(len(kept)), arrays["lengths"])
    return Arrays(arrays["observations"][kept], number, cond=arrays["actions"][kept])


SOURCES: dict[str, tuple[Source, ...]] = {
    "adroit_door": (Source(("adroit_door_demos",), {"train": ("adroit_door_human_demos.npz",)}, _adroit),),
    "mnist": (
        _idx(
            ("mnist", "MNIST/raw"),
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
            DIGITS,
        ),
    ),
    "fashion_mnist": (
        _idx(
            ("fashion_mnist", "FashionMNIST/raw"),
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
            CLOTHES,
        ),
    ),
    "notmnist": (
        _idx(
            ("notmnist",),
            "https://github.com/davidflanagan/notMNIST-to-MNIST/raw/master/",
            (
                "70ae9e06201f2827e5b0a3781a3169d735dd2efc69996b9eeaee7f10ed4044d7",
                "1fa03836e01c862542f8eb83463bb951bebec6fcb3efa28dad748c6b38a9021b",
            ),
            LETTERS[:10],
        ),
    ),
    "cifar10": (
        Source(
            ("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"),
            {"train": BATCHES, "test": ("test_batch.bin",)},
            _read_cifar,
            dict.fromkeys((*BATCHES, "test_batch.bin"), _CIFAR_ARCHIVE),
        ),
        _npz("cifar10", "cifar10_subset.npz"),
    ),
    "cifar100": (_npz("cifar100_ood", "cifar100_ood.npz", parts=(WHOLE,), stored="test", labelled=False),),
    "emnist_letters": (_npz("emnist_letters", "emnist_letters_subset.npz", classes=LETTERS),),
    "omniglot": (_npz("omniglot", "omniglot_small_28x28.npz", parts=(WHOLE,), stored="train"),),
    "svhn": (
        Source(
            ("svhn",),
            {"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
            read_svhn,
            page="http://ufldl.stanford.edu/housenumbers/",
        ),
    ),
    "dtd": (_npz("dtd", "dtd_8class_64x64.npz"),),
    "faces": (_npz("orl_faces", "orl_faces_56x46.npz", classes=tuple(f"person {i}" for i in range(1, 41))),),
    "cbcl_faces": (_shuffled(_npz("cbcl_faces", "cbcl_faces_19x19.npz", classes=("other", "face"))),),
    "dsprites": tuple(_sprites(*place, side=64) for place in _SPRITES),
    "dsprites32": tuple(_sprites(*place, side=32) for place in _SPRITES),
    "facades": (_npz(*_FACADES, x="a", cond="b"),),
    "facades:labels": (_npz(*_FACADES, x="b", cond="a"),),
}
SOURCES["stacked_mnist"] = tuple(_stacked(source) for source in SOURCES["mnist"])
