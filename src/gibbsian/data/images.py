"""Image arrays and image files as uint8: (N, H, W) grey or (N, H, W, 3) colour.

A change of size cuts the ends of the longer side off until the shape is the wanted one, and resamples what is
left (Lanczos): a square keeps the whole short side. A change of colour uses the luma of ITU-R BT.601 one way
and repeats the channel the other. Arrays and files go through the same function, so a folder and an archive
of the same images agree.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import DataError, UsageError
from .recipe import Size, sides

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's kinds of images without colour."""
PAINTED = 32
"""How bright a pixel of a resampled mask is where an eighth of it was painted."""
ORIENTATION, TURNED = 0x0112, frozenset({5, 6, 7, 8})
"""The tag of a camera's orientation, and its values that change height and width."""


class Head(NamedTuple):
    """What the head of an image file says: whether it has no colour, (height, width) as shown, whether it has
    an alpha channel, and whether other pictures follow the first.
    """

    grey: bool
    size: tuple[int, int]
    alpha: bool
    more: bool


def read_head(path: Path) -> Head:
    """The head of a file, its pixels not being read; raises `DataError` as `read_image`."""
    try:
        with Image.open(path) as image:
            known = "exif" in image.info  # else asking for it would decode the pixels
            turned = known and image.getexif().get(ORIENTATION, 1) in TURNED
            width, height = image.size[::-1] if turned else image.size
            more = bool(getattr(image, "is_animated", False))  # only kinds that can be have it
            return Head(image.mode in GREY, (height, width), _has_alpha(image), more)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image ({_reason(error)}): mend or remove it") from error


def read_image(path: Path, size: Size | None, grey: bool | None, behind: str = "white") -> np.ndarray:
    """One file as uint8 (H, W) or (H, W, 3), an alpha channel laid over the colour `behind`.

    Raises `DataError` if it is no image or is cut short.
    """
    try:
        with Image.open(path) as image:
            return fit(_laid(_eight_bits(ImageOps.exif_transpose(image)), behind), size, grey)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image ({_reason(error)}): mend or remove it") from error


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
    grey = read_image(path, None, True, "black")
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

    Raises `UsageError` for an image without any.
    """
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
        alpha = (
            turned.convert("RGBA").getchannel("A") if _has_alpha(turned) else Image.new("L", turned.size, 255)
        )
    holes = ImageOps.fit(alpha, (width, height), Image.Resampling.BOX)
    found = np.asarray(holes) <= 255 - PAINTED
    if not found.any():
        raise UsageError(f"{path} has no transparent pixels: paint a mask, white where pixels are unknown")
    return found


def fit(image: Image.Image, size: Size | None, grey: bool | None) -> np.ndarray:
    """`image` as uint8 (H, W) or (H, W, 3), cropped and resampled to `size` where given."""
    grey = image.mode in GREY if grey is None else grey
    image = image.convert("L" if grey else "RGB")
    if size is not None and image.size != (wanted := sides(size)[::-1]):
        image = ImageOps.fit(image, wanted, Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)


def _has_alpha(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "RGBa", "La"}


def _laid(image: Image.Image, behind: str) -> Image.Image:
    """What a page of that colour would show of an image with an alpha channel; others as they are."""
    if not _has_alpha(image):
        return image
    page = Image.new("RGBA", image.size, behind)
    page.alpha_composite(image.convert("RGBA"))
    return page.convert("L" if image.mode in GREY else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey pixels of 16 or 32 bits, or floats in [0, 1], as bytes; others as they are.

    Pillow would cut them off at 255. Raises `ValueError` for values of another range.
    """
    if image.mode not in {"I", "F"} and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else 65535.0 if image.mode != "I" or high > 255 else 255.0
    if not 0 <= low <= high <= top:
        raise ValueError(f"its values are {low:g} to {high:g}, where 0 to {top:g} is black to white")
    return Image.fromarray(np.round(values * (255 / top)).astype(np.uint8))


def fit_all(images: np.ndarray, size: Size | None, grey: bool | None) -> np.ndarray:
    """`fit` for an array of uint8 images (N, H, W) or (N, H, W, 3)."""
    is_grey = images.ndim == 3
    same_size = size is None or images.shape[1:3] == sides(size)
    if same_size and grey in (None, is_grey):
        return images
    return np.stack([fit(Image.fromarray(row), size, grey) for row in images])


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "not an image" if isinstance(error, UnidentifiedImageError) else text
