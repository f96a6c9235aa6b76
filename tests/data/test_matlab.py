"""MATLAB 5 files, with scipy's writer as oracle, and the house numbers that come in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from gibbsian.core.errors import DataError
from gibbsian.data.load import load
from gibbsian.data.matlab import read_mat, read_svhn

RNG = np.random.default_rng(0)


def house_numbers(n: int = 5) -> dict[str, np.ndarray]:
    """Arrays as in the public files: X (32, 32, 3, N) uint8, y (N, 1) from 1 to 10."""
    labels = np.array([1, 9, 10, 10, 3], np.uint8)[:n, None]
    return {"X": RNG.integers(0, 256, (32, 32, 3, n), np.uint8), "y": labels}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_arrays_come_back_as_they_were(tmp_path, kind, packed) -> None:
    wanted = {
        "long_name_of_an_array": RNG.integers(0, 100, (3, 4, 2)).astype(kind),
        "b": np.array([[7]], kind),
        "c": RNG.integers(0, 100, (1, 3)).astype(kind),
    }
    savemat(tmp_path / "a.mat", wanted, do_compression=packed)
    found = read_mat(tmp_path / "a.mat")
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_what_is_no_array_of_real_numbers_is_skipped(tmp_path) -> None:
    savemat(tmp_path / "a.mat", {"text": "words", "s": {"k": 1.0}, "z": np.array([[1j]]), "x": np.eye(2)})
    found = read_mat(tmp_path / "a.mat")
    assert list(found) == ["x"] and (found["x"] == np.eye(2)).all()


def test_house_numbers(tmp_path) -> None:
    arrays = house_numbers()
    (tmp_path / "svhn").mkdir()
    savemat(tmp_path / "svhn" / "test_32x32.mat", arrays, do_compression=True)
    data = load("svhn", "test", data_dir=tmp_path)
    assert data.event_shape == (3, 32, 32) and data.y is not None
    assert data.y.tolist() == [1, 9, 0, 0, 3] and data.classes[0] == "0"
    np.testing.assert_array_equal(data.x[2].numpy(), arrays["X"][:, :, :, 2])


def test_absent_house_numbers_name_the_file_its_page_and_the_folder(tmp_path) -> None:
    with pytest.raises(
        DataError, match=r"'svhn' is not here.*test_32x32.mat from http://ufldl.*svhn"
    ) as told:
        load("svhn", "test", data_dir=tmp_path)
    assert "\n" not in str(told.value) and str(tmp_path) in str(told.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("keep", [0, 100, 127, 132, 200, 2000, -9])
def test_a_file_cut_short_is_one_line(tmp_path, keep, packed) -> None:
    path = tmp_path / "a.mat"
    savemat(path, house_numbers(), do_compression=packed)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="fetch it again") as told:
        read_svhn([path], "test")
    assert "\n" not in str(told.value)


def test_other_files_are_one_line(tmp_path) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(DataError, match="there is no file"):
        read_mat(path)
    path.write_bytes(b"\x89HDF" * 64)
    with pytest.raises(DataError, match="not a MATLAB 5 file"):
        read_mat(path)
    savemat(path, {"X": np.zeros((4, 4))})
    with pytest.raises(DataError, match=r"X float64 \(4, 4\)"):
        read_svhn([path], "test")
