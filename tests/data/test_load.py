"""Sets by name: the built-in ones, files, options, what is found where, what is refused."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gibbsian.core.errors import DataError, UsageError
from gibbsian.data.load import load
from gibbsian.data.names import DATA_NAMES, SPRITES, TABLES, TOYS, entry
from gibbsian.data.pointmass import MASSES
from gibbsian.data.sources import SOURCES

REAL = Path(os.environ.get("GIBBSIAN_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data from the machine's own folders, and no network."""
    monkeypatch.delenv("GIBBSIAN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("gibbsian.data.download.urlopen", None)


def idx(values: np.ndarray) -> bytes:
    """The idx format."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def write_mnist(folder: Path, n: int = 30, *, packed: bool = True) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    y = (np.arange(n) % 10).astype(np.uint8)
    for part, rows in (("train", slice(0, n - 5)), ("t10k", slice(n - 5, n))):
        for kind, values in (("images-idx3", x[rows]), ("labels-idx1", y[rows])):
            name = f"{part}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
            else:
                (folder / name).write_bytes(idx(values))
    return x


def test_digits_are_scikit_learns_in_the_published_split():
    order = np.random.RandomState(0).permutation(1797)
    source = load_digits()
    train, test = load("digits"), load("digits", "test")
    assert (len(train), len(test)) == (1397, 400) and train.event_shape == (1, 8, 8)
    assert np.array_equal((train.x.numpy() * (16 / 255)).round(), source.images[order[:1397]])
    assert np.array_equal(test.y.numpy(), source.target[order[1397:]])
    assert train.classes == tuple("0123456789") and int(train.x.max()) == 255


def test_digits_batch_in_range():
    batch = load("digits").batch(torch.arange(8), -1.0, 1.0)
    assert batch.x.shape == (8, 1, 8, 8) and float(batch.x.min()) == -1 and float(batch.x.max()) == 1


@pytest.mark.parametrize("name", TOYS)
def test_toys_are_fixed_draws(name):
    train, test = load(f"toy:{name}"), load(f"toy:{name}", "test")
    assert (len(train), len(test)) == (50_000, 10_000) and train.event_shape == (2,) and not train.is_image
    assert train.fingerprint == load(f"toy:{name}").fingerprint != test.fingerprint
    assert int(train.y.max()) + 1 == len(train.classes)


def test_validation_and_train_do_not_overlap():
    train = load("digits", validation=197)
    held = load("digits", "validation", validation=197)
    assert (len(train), len(held)) == (1200, 197) and held.split == "validation"
    whole = {x.numpy().tobytes() for x in load("digits").x}
    parts = [{x.numpy().tobytes() for x in data.x} for data in (train, held)]
    assert parts[0] | parts[1] == whole and not parts[0] & parts[1]
    assert len(load("digits", "test", validation=197)) == 400


def test_validation_needs_its_number():
    with pytest.raises(UsageError, match="validation=N .197 is usual"):
        load("digits", "validation")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
def test_mnist_in_either_layout(tmp_path, folder, packed):
    x = write_mnist(tmp_path / folder, packed=packed)
    train, test = (load("mnist", split, data_dir=tmp_path) for split in ("train", "test"))
    assert np.array_equal(train.x.numpy(), x[:25]) and np.array_equal(test.x.numpy(), x[25:])
    assert test.y.tolist() == [5, 6, 7, 8, 9]


def test_stacked_mnist_is_made_of_its_own_part(tmp_path, monkeypatch):
    monkeypatch.setattr("gibbsian.data.sources.STACK_SIZE", {"train": 300, "test": 50})
    x = write_mnist(tmp_path / "mnist")
    parts = {"train": (x[:25], np.arange(25) % 10), "test": (x[25:], np.arange(25, 30) % 10)}
    for split, (images, labels) in parts.items():
        data = load("stacked_mnist", split, data_dir=tmp_path)
        rows = {image.tobytes(): i for i, image in enumerate(images)}
        of = np.array([[rows[c.numpy().tobytes()] for c in stack.unbind(2)] for stack in data.x])
        assert np.array_equal(labels[of] @ [100, 10, 1], data.y.numpy()) and len(np.unique(of)) == len(images)
        assert data.event_shape == (3, 28, 28) and data.classes[7] == "007" and len(data.classes) == 1000
        assert data.fingerprint == load("stacked_mnist", split, data_dir=tmp_path).fingerprint
    assert len(data) == 50


def test_data_dir_comes_before_the_environment_and_the_cache(tmp_path, monkeypatch):
    sizes = {"given": 20, "environment": 30, "cache/gibbsian/data": 40}
    for folder, n in sizes.items():
        write_mnist(tmp_path / folder / "mnist", n)
    assert len(load("mnist")) == 35
    monkeypatch.setenv("GIBBSIAN_DATA", str(tmp_path / "environment"))
    assert len(load("mnist")) == 25
    assert len(load("mnist", data_dir=tmp_path / "given")) == 15


def test_cifar_in_the_public_layout_and_in_ours(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    y = (np.arange(60) % 10).astype(np.uint8)
    public = tmp_path / "public" / "cifar-10-batches-bin"
    public.mkdir(parents=True)
    records = np.concatenate([y[:, None], x.transpose(0, 3, 1, 2).reshape(60, -1)], axis=1)
    for i, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        (public / name).write_bytes(records[10 * i : 10 * (i + 1)].tobytes())
    (tmp_path / "ours" / "cifar10").mkdir(parents=True)
    parts = {"train_x": x[:50], "train_y": y[:50], "test_x": x[50:], "test_y": y[50:]}
    np.savez(tmp_path / "ours" / "cifar10" / "cifar10_subset.npz", **parts)
    for split, rows in (("train", slice(0, 50)), ("test", slice(50, 60))):
        for folder in ("public", "ours"):
            data = load("cifar10", split, data_dir=tmp_path / folder)
            assert np.array_equal(data.x.numpy(), x[rows]) and np.array_equal(data.y.numpy(), y[rows])


def test_a_set_of_one_part_is_cut_without_overlap(tmp_path):
    x = np.arange(40, dtype=np.uint8).repeat(784).reshape(40, 28, 28)
    (tmp_path / "omniglot").mkdir()
    np.savez(
        tmp_path / "omniglot" / "omniglot_small_28x28.npz", train_x=x, train_y=np.arange(40, dtype=np.uint16)
    )
    train, test = (load("omniglot", split, data_dir=tmp_path) for split in ("train", "test"))
    assert (len(train), len(test)) == (36, 4)
    assert sorted(train.y.tolist() + test.y.tolist()) == list(range(40))
    assert torch.equal(train.x[:, 0, 0].long(), train.y)


def test_facades_pairs_both_ways(tmp_path):
    (tmp_path / "facades").mkdir()
    photo = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "facades" / "facades_pairs_64x64.npz", train_a=photo, train_b=255 - photo)
    one, two = (load(name, data_dir=tmp_path, size=4) for name in ("facades", "facades:labels"))
    assert one.cond.shape == (4, 4, 4, 3) and torch.equal(one.x, two.cond) and torch.equal(one.cond, two.x)


def test_size_and_grey_of_arrays():
    small = load("digits", size=4)
    assert small.event_shape == (1, 4, 4) and load("digits", grey=False).event_shape == (3, 8, 8)
    assert load("digits", size=4, grey=True).fingerprint == small.fingerprint
    with pytest.raises(UsageError, match="size and grey are for images"):
        load("toy:ring", size=8)


def test_npz_files(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) % 4
    np.savez(tmp_path / "one.npz", x=x, y=y)
    np.savez(tmp_path / "two.npz", train_x=x[:30], train_y=y[:30], test_x=x[30:], test_y=y[30:])
    np.savez(tmp_path / "bare.npz", positions=x)
    np.savez(tmp_path / "bool.npz", x=x.reshape(50, 3, 1) > 0)
    assert [len(load(str(tmp_path / "one.npz"), s)) for s in ("train", "test")] == [45, 5]
    assert [len(load(str(tmp_path / "two.npz"), s)) for s in ("train", "test")] == [30, 20]
    assert load(str(tmp_path / "bare.npz")).y is None
    assert set(load(str(tmp_path / "bool.npz")).x.flatten().tolist()) == {0, 255}


def test_csv_files(tmp_path):
    lines = "\n".join(f"{i},{i / 2},{i % 3}" for i in range(20))
    (tmp_path / "plain.csv").write_text(lines)
    (tmp_path / "named.csv").write_text("a, b ,Label\n" + lines + "\n\n")
    plain, named = load(str(tmp_path / "plain.csv")), load(str(tmp_path / "named.csv"))
    assert plain.event_shape == (3,) and plain.y is None
    assert named.event_shape == (2,) and len(named) == 18 and named.classes == ("0", "1", "2")
    assert torch.equal(named.x[:, 0] % 3, named.y.float())


def test_csv_files_of_other_habits(tmp_path):
    """Spreadsheets of half the world, labels that are words, a BOM, capitals, and y that is a coordinate."""
    rows = [(i, i / 2, ("ant", "bee")[i % 2]) for i in range(20)]
    for mark, ending in ((",", "csv"), (";", "csv"), ("\t", "tsv"), (",", "CSV")):
        path = tmp_path / f"words.{ending}"
        lines = [mark.join(map(str, row)) for row in rows]
        path.write_text("\n".join([mark.join(("a", "b", "label")), *lines]), encoding="utf-8-sig")
        data = load(str(path))
        assert data.event_shape == (2,) and data.classes == ("ant", "bee")
        assert torch.equal(data.x[:, 0] % 2, data.y.float())
    (tmp_path / "plane.csv").write_text("x,y\n" + "\n".join(f"{i},{i / 2}" for i in range(20)))
    assert load(str(tmp_path / "plane.csv")).event_shape == (2,)


def one_line(name: object, **options) -> str:
    with pytest.raises(DataError) as error:
        load(str(name), **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_bad_csv_is_one_line(tmp_path):
    path = tmp_path / "bad.csv"
    assert "there is no file" in one_line(path)
    for text, message in [
        ("1,2\n3,x", "line 2 column 2 is 'x'"),
        ("a,b\n1,2\n\n3,nan", "line 4 column 2 ('b') is 'nan'"),
        ("1,2\n3", "line 2 has 1 columns"),
        ("1,inf\n3,4", "line 1 column 2"),
        ("", "no lines of numbers"),
        ("a,b\n", "no lines of numbers"),
        ("a,label\n1,cat\n2,", "line 3 has no label in column 2"),
        ("label,a\ncat,1\ndog,x", "line 3 column 2 ('a') is 'x'"),
    ]:
        path.write_text(text)
        assert message in one_line(path)
    path.write_bytes(b"\xff\xfe1,2\n\x80")
    assert "cannot be read as .csv" in one_line(path)


def test_bad_npz_is_one_line(tmp_path):
    path = tmp_path / "bad.npz"
    assert "there is no file" in one_line(path)
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(200, 8)))
    raw = path.read_bytes()
    for bad in (b"", b"hello", raw[:100], raw[: len(raw) // 2], raw[:200] + b"\0" * 50 + raw[250:]):
        path.write_bytes(bad)
        assert "cannot be read as .npz" in one_line(path)
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    assert "cannot be read as .npz" in one_line(path)
    np.savez(path, a=np.zeros(3), b=np.zeros(3))
    assert "expected x (and y)" in one_line(path)
    np.savez(path, x=np.ones((9, 4, 4), np.uint8))
    assert "store them as bool" in one_line(path)
    np.savez(path, x=np.array([[1.0, np.nan], [0, 0]]))
    assert "not finite" in one_line(path)


def test_bad_idx_is_one_line(tmp_path):
    write_mnist(tmp_path / "mnist")
    images = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    raw = images.read_bytes()
    good = gzip.decompress(raw)
    for bad in (raw[: len(raw) // 2], b"\x1f\x8b", good[:5], b"hello world", good[:-1], good + b"\0", b""):
        images.write_bytes(bad)
        assert "train-images-idx3-ubyte.gz" in one_line("mnist", data_dir=tmp_path)
    images.write_bytes(gzip.compress(idx(np.zeros((3, 28, 28), np.uint8))))
    assert "labels of shape" in one_line("mnist", data_dir=tmp_path)


def test_cut_cifar_is_one_line(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(b"\0" * 3000)
    assert "multiple of 3073" in one_line("cifar10", split="test", data_dir=tmp_path)


def test_a_missing_set_without_address_names_the_folder_and_the_files(tmp_path):
    text = one_line("faces", data_dir=tmp_path)
    assert str(tmp_path / "orl_faces") in text and "orl_faces_56x46.npz" in text


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnits", {}, "did you mean 'mnist'"),
        ("toy:moon", {}, "did you mean 'moons'"),
        ("digits", {"split": "tset"}, "did you mean 'test'"),
        ("digits", {"size": 0}, "size is 0"),
        ("digits", {"validation": -1}, "validation is -1"),
        ("digits", {"validation": 1397}, "choose from 1 to 1396"),
    ],
)
def test_bad_arguments_are_refused(name, options, message):
    with pytest.raises(UsageError, match=message):
        load(name, **options)


def test_the_list_and_the_table_agree():
    listed = {line.name for line in DATA_NAMES}
    own = ("A:to:B", "folder:DIR", "FILE.npz", "FILE.npy", "FILE.csv", "episodes:FILE")
    kinds = {"toy": TOYS, "table": TABLES, "pointmass": MASSES, "adroit_door": ["actions"]}
    made = {f"{kind}:{k}" for kind, names in kinds.items() for k in names}
    assert {"digits", *SPRITES, *SOURCES, *made} == {n for n in listed if not n.isupper() and n not in own}
    assert entry("orl").name == "faces" and entry("somewhere.npz") is None


def test_the_list_imports_no_torch():
    code = "import sys, gibbsian.data.names, gibbsian.data.places; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.data
@pytest.mark.parametrize(
    "line",
    [line for line in DATA_NAMES if line.shape and not line.name.startswith("dsprites")],
    ids=lambda line: line.name,
)
def test_real_sets_have_the_listed_shape(line):
    if not REAL.is_dir():
        pytest.skip(f"no data sets in {REAL}: set GIBBSIAN_DATA")
    for split in ("train", "test"):
        data = load(line.name, split, data_dir=REAL)
        assert data.event_shape == line.shape and len(data) > 0
        if line.classes:
            assert len(data.classes) == line.classes and int(data.y.max()) < line.classes
