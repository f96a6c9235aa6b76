"""Image arrays and image files as uint8: (N, H, W) grey or (N, H, W, 3) colour.

A change of size cuts the ends of the longer side off until the shape is the wanted one, or pads the shorter
side, or does neither, and resamples what is left (Lanczos). A change of colour uses the luma of ITU-R BT.601
one way and repeats the channel the other. Arrays and files go through the same function, so a folder and an
archive of the same images agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import DataError, GibbsianError, UsageError
from .options import Size, sides
from .recipe import DataRecipe

PLAIN = DataRecipe("")
"""Images as they are."""
LEVELS = ((0, 1), (-1, 1), (0, 255), (0, 1023), (0, 4095), (0, 16383), (0, 65535), (0, 2**32 - 1))
"""Values that may stand for black and white, the narrower first."""
SLACK = 0.02
"""How far values may pass 0 to 1 or -1 to 1, as resampling leaves them; they are clipped."""
LANCZOS = Image.Resampling.LANCZOS
GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's kinds of images without colour."""
SIGN, UNSIGNED, SIGNED, INK = 339, 1, 2, 262
"""The tag of TIFF for the kind of its numbers with two of its values, and that for whether 0 is white (0)."""
PAINTED = 32
"""How bright a pixel of a resampled mask is where an eighth of it was painted."""
ORIENTATION, TURNED = 0x0112, frozenset({5, 6, 7, 8})
"""The tag of a camera's orientation, and its values that change height and width."""


class Head(NamedTuple):
    """What the head of an image file says: whether it has no colour, (height, width) as shown, whether it has
    an alpha channel, whether other pictures follow the first, and whether Pillow cuts 16 bits of a colour to
    8. `span` are the least and largest value of a file of other pixels than bytes, which is read for that.
    """

    grey: bool
    size: tuple[int, int]
    alpha: bool
    more: bool
    cut: bool
    span: tuple[float, float] | None = None


def read_head(path: Path) -> Head:
    """The head of a file, its pixels not being read but for `span`; raises `DataError` as `read_image`."""
    with _opened(path) as image:
        known = "exif" in image.info  # else asking for it would decode the pixels
        turned = known and image.getexif().get(ORIENTATION, 1) in TURNED
        width, height = image.size[::-1] if turned else image.size
        more = bool(getattr(image, "is_animated", False))  # only kinds that can be have it
        cut = not _is_deep(image) and ";16" in _raw_mode(image)
        head = Head(_is_grey(image), (height, width), _has_alpha(image), more, cut)
        return head._replace(span=_span(_values(image))) if _is_deep(image) else head


def read_image(path: Path, how: DataRecipe = PLAIN) -> np.ndarray:
    """One file as uint8 (H, W) or (H, W, 3), in the size, colour and levels of `how`, an alpha channel laid
    over its background. Levels are by default the narrowest of `LEVELS` that hold the values.

    Raises `DataError` if it is no image, is cut short, or has values of no known levels.
    """
    with _opened(path) as image:
        grey = how.grey if how.grey is not None else _is_grey(image)
        return as_bytes(ImageOps.exif_transpose(image), replace(how, grey=grey))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A file as an image; whatever goes wrong in reading it is one `DataError`."""
    try:
        with Image.open(path) as image:
            image.info["tags"] = getattr(image, "tag_v2", {})  # which a copy would lose
            yield image
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, GibbsianError):
            raise
        reason = _reason(error, path)
        raise DataError(f"{path} cannot be read as an image ({reason}): mend or remove it") from error


def as_bytes(image: Image.Image, how: DataRecipe = PLAIN) -> np.ndarray:
    """An image of any kind as uint8 (H, W) or (H, W, 3), by the options of `how`."""
    return fit(_laid(_eight_bits(image, how.levels), how.background or "white"), how)


def levels_of(low: float, high: float) -> tuple[float, float]:
    """The narrowest of `LEVELS` that hold both; raises `ValueError` for values of none, or so dark in one
    that they are hardly meant for it.
    """
    pairs = ((a, b, SLACK * (b == 1)) for a, b in LEVELS)
    found = next(((a, b) for a, b, slack in pairs if a - slack <= low and high <= b + slack), None)
    if found is None or (found[1] > 1 and high < found[1] / 4):
        raise ValueError(f"values are {low:g} to {high:g}: name those of black and white, --levels LOW:HIGH")
    return float(found[0]), float(found[1])


def read_mask(
    path: Path, height: int, width: int, *, fit: bool = False, photo: tuple[int, int] | None = None
) -> np.ndarray:
    """A painted mask as bool (H, W), True where the file is white.

    It has that size, or the size (height, width) of the `photo` that it was painted on, or any if `fit` lets
    it be resampled: it is then cut as the photo is, and a pixel counts as painted where an eighth of it was.
    Raises `UsageError` for another size, or if there is no file.
    """
    if not path.is_file():
        raise UsageError(f"there is no mask file {path}: paint unknown pixels white on black")
    grey = read_image(path, DataRecipe("", grey=True, background="black"))
    if grey.shape == (height, width):
        return grey >= 128
    if not fit and grey.shape != photo:
        of_photo = f", the photo {photo[1]} x {photo[0]}" if photo and photo != (height, width) else ""
        raise UsageError(
            f"mask {path} is {grey.shape[1]} x {grey.shape[0]} pixels where the model's images are "
            f"{width} x {height}{of_photo}: paint one of that size, or add --fit to resample it"
        )
    cut = ImageOps.fit(Image.fromarray(grey), (width, height), Image.Resampling.BOX)
    return np.asarray(cut) >= PAINTED


def read_holes(path: Path, height: int, width: int) -> np.ndarray:
    """The transparent pixels of an image as bool (H, W), cut and resampled as the image is.

    Raises `UsageError` for an image without any, and `DataError` as `read_image`.
    """
    with _opened(path) as image:
        turned = ImageOps.exif_transpose(image)
        alpha = (
            turned.convert("RGBA").getchannel("A") if _has_alpha(turned) else Image.new("L", turned.size, 255)
        )
    holes = ImageOps.fit(alpha, (width, height), Image.Resampling.BOX)
    found = np.asarray(holes) <= 255 - PAINTED
    if not found.any():
        raise UsageError(f"{path} has no transparent pixels: paint a mask, white where pixels are unknown")
    return found


def fit(image: Image.Image, how: DataRecipe) -> np.ndarray:
    """`image` of bytes as uint8 (H, W) or (H, W, 3), brought to the size and colour of `how` where given."""
    grey = image.mode in GREY if how.grey is None else how.grey
    image = image.convert("L" if grey else "RGB")
    if how.size is not None and image.size != (wanted := how.size[::-1]):
        if how.resize == "stretch":
            image = image.resize(wanted, LANCZOS)
        elif how.resize == "pad":
            image = ImageOps.pad(image, wanted, LANCZOS, how.background or "white")
        else:
            image = ImageOps.fit(image, wanted, LANCZOS)
    return np.asarray(image, dtype=np.uint8)


def _is_deep(image: Image.Image) -> bool:
    """Whether grey pixels are no bytes."""
    signed = image.mode == "L" and _tag(image, SIGN, UNSIGNED) == SIGNED
    return image.mode in {"I", "F"} or image.mode.startswith("I;16") or signed


def _tag(image: Image.Image, tag: int, usual: int) -> int:
    """What a TIFF says of its pixels; `usual` where it does not."""
    value = image.info.get("tags", {}).get(tag, usual)
    return int(value[0] if isinstance(value, tuple) else value)


def _values(image: Image.Image) -> np.ndarray:
    """The pixels with the sign that a TIFF gives them, which Pillow does not heed."""
    values = np.asarray(image)
    if image.mode == "I" and image.info.get("tags") and _tag(image, SIGN, UNSIGNED) == UNSIGNED:
        return values.view(np.uint32)
    return values.view(np.int8) if image.mode == "L" else values


def _raw_mode(image: Image.Image) -> str:
    return str(image.tile[0][3]) if image.tile else ""  # type: ignore[attr-defined]


def _is_grey(image: Image.Image) -> bool:
    return image.mode in GREY or "'LA;16" in f"'{_raw_mode(image)}"  # which Pillow opens in colour


def _span(values: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    return float(values.min()), float(values.max())


def _has_alpha(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "RGBa", "La"}


def _laid(image: Image.Image, behind: str) -> Image.Image:
    """What a page of that colour would show of an image with an alpha channel; others as they are."""
    if not _has_alpha(image):
        return image
    page = Image.new("RGBA", image.size, behind)
    page.alpha_composite(image.convert("RGBA"))
    return page.convert("L" if image.mode in GREY else "RGB")


def _eight_bits(image: Image.Image, levels: tuple[float, float] | None) -> Image.Image:
    """Grey pixels that are no bytes as bytes, which Pillow would cut off at 255; others as they are."""
    if not _is_deep(image):
        return image
    values = _values(image).astype(np.float64)
    span = _span(values)
    low, high = levels or levels_of(*span)
    found = np.round((values.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8)
    grey = Image.fromarray(255 - found if _tag(image, INK, 1) == 0 else found)
    clear = image.info.get("transparency")
    if clear is None:
        return grey
    return Image.merge("LA", (grey, Image.fromarray(np.uint8(255) * (values != clear))))


def laid_all(images: np.ndarray, behind: str) -> np.ndarray:
    """Bytes (N, H, W, 4) of colours and alpha over that background, (N, H, W, 3)."""
    return np.stack([np.asarray(_laid(Image.fromarray(np.ascontiguousarray(row)), behind)) for row in images])


def fit_all(images: np.ndarray, size: Size | None, grey: bool | None, how: DataRecipe = PLAIN) -> np.ndarray:
    """`fit` for an array of uint8 images (N, H, W) or (N, H, W, 3); the rest of `how` besides."""
    is_grey = images.ndim == 3
    how = replace(how, size=None if size is None else sides(size), grey=grey)
    if how.size in (None, images.shape[1:3]) and grey in (None, is_grey):
        return images
    return np.stack([fit(Image.fromarray(row), how) for row in images])


def _reason(error: Exception, path: Path) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not isinstance(error, UnidentifiedImageError):
        return text
    with open(path, "rb") as file:
        tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    return "a TIFF of pixels that are not read: save 8, 16 or 32 bits, or an .npy" if tiff else "not an image"
