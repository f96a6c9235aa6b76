"""TIFF and PNG of kinds that Pillow reads otherwise than they are meant, or not at all."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from known import decided
from PIL import Image

import gibbsian as gb
from gibbsian.core.errors import DataError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
WANTED = np.round(255 * RAMP)
KIND = {"u": 1, "i": 2, "f": 3}


def tiff(path: Path, values: np.ndarray, ink: int = 1) -> None:
    """An uncompressed TIFF by hand, in the byte order of `values`; with `ink` 0, its 0 is white."""
    order, (height, width, *many) = (">" if values.dtype.byteorder == ">" else "<"), values.shape
    bits, n = 8 * values.dtype.itemsize, many[0] if many else 1
    head = 10 + 12 * 10 + 4
    lists = struct.pack(f"{order}{2 * n}H", *[bits] * n, *[KIND[values.dtype.kind]] * n)
    of_many = {258: head, 339: head + 2 * n} if n > 1 else {258: bits, 339: KIND[values.dtype.kind]}
    data, size = head + len(lists), values.nbytes
    tags = {256: width, 257: height, 258: 0, 259: 1, 262: 2 if n > 1 else ink, 273: data, 277: n, 278: height}
    tags |= {279: size} | of_many
    raw = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(tags))
    for tag, value in sorted(tags.items()):
        short = tag not in (273, 279) and not (n > 1 and tag in of_many)
        count = n if tag in of_many else 1
        form = f"{order}HHIHH" if short else f"{order}HHII"
        raw += struct.pack(form, tag, 3 if short or tag in of_many else 4, count, value, *[0] * short)
    path.write_bytes(raw + bytes(4) + lists + values.tobytes())


def folder(tmp_path: Path, values: np.ndarray, ink: int = 1) -> Path:
    for i in range(3):
        tiff(tmp_path / f"{i}.tif", values, ink)
    return tmp_path


KINDS = ["<f4", ">f4", "<u2", "u1", ">u2", "<u4", "<i4", ">i4", "<i2"]


@pytest.mark.parametrize(("kind", "ink"), [(kind, 1) for kind in KINDS] + [(kind, 0) for kind in KINDS[:4]])
def test_numbers_of_any_kind_and_order(tmp_path, kind, ink):
    white = {"f4": 1, "u4": 2**32 - 1, "i2": 16383, "u1": 255}.get(kind[-2:], 65535)
    x = gb.dataset(folder(tmp_path, np.round(RAMP * white, 9).astype(kind), ink)).x[0].numpy()
    assert np.abs(x - (WANTED if ink else 255 - WANTED)).max() <= 1


@pytest.mark.parametrize("kind", ["<i2", "i1", "<f4", "<i4"])
def test_numbers_below_black_are_not_wrapped_round(tmp_path, kind):
    values = (100 * RAMP - 50).astype(kind)
    with pytest.raises(DataError, match="values are -50 to 50: name those of black and white"):
        gb.dataset(folder(tmp_path, values))
    x = gb.dataset(tmp_path, levels=(-50, 50)).x[0].numpy()
    assert np.abs(x - WANTED).max() <= 3


@pytest.mark.parametrize("values", [RAMP, RAMP.astype(np.float16), np.float32([RAMP] * 3).transpose(1, 2, 0)])
def test_what_is_not_read_says_so(tmp_path, values):
    with pytest.raises(
        DataError, match=r"0.tif cannot be read .*a TIFF of pixels that are not read"
    ) as error:
        gb.dataset(folder(tmp_path, values))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("span", [(-0.01, 1.0), (0.0, 1.015), (-1.01, 1.01)])
def test_floats_a_little_beyond_their_range_are_clipped(tmp_path, span):
    low, high = span
    values = (RAMP * (high - low) + low).astype(np.float32)
    told = f"{-1 if low < -1 else 0} to 1"
    data = gb.dataset(folder(tmp_path, values))
    assert decided(data)[0].endswith(f"{told} are black to white (--levels LOW:HIGH)")
    assert np.abs(data.x[0].numpy() - WANTED).max() <= 4
    array = gb.dataset(np.stack([values] * 3))
    assert f"values are {told}, those beyond clipped" in array.notes[0]
    assert np.array_equal(array.x[0].numpy(), data.x[0].numpy())


@pytest.mark.parametrize("kind", [np.uint16, np.uint8, bool])
def test_a_colour_that_is_transparent_in_grey_files_is(tmp_path, kind):
    values = np.full((8, 8), 1, kind)
    values[:4] = 0
    for i in range(3):
        Image.fromarray(values).save(tmp_path / f"{i}.png", transparency=0)
    data = gb.dataset(tmp_path, levels=(0, 255) if kind == np.uint16 else None)
    assert (data.x[:, :4] == 255).all() and "laid over white" in decided(data)[-1]
