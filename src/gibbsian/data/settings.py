"""Settings of how data enter a model and of augmentations, which `data.augment` carries out. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import UsageError, require_not_negative


@dataclass(frozen=True)
class PixelConfig:
    """How data enters the model."""

    low: float = -1.0
    """Value of a black pixel (ignored for data that are not images)."""
    high: float = 1.0
    """Value of a white pixel."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise added to data, smoothing its support."""
    dequantize: bool = False
    """Add uniform noise of one grey level of 256, shrinking the range to fit."""

    def __post_init__(self) -> None:
        if not -float("inf") < self.low < self.high < float("inf"):
            raise UsageError(f"pixels.low {self.low} must lie below pixels.high {self.high}")
        require_not_negative(**{"pixels.noise": self.noise})


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of images, in this order: shift, crop, flip, colour jitter, blur. All off by default."""

    shift: int = 0
    """Largest move of each image in pixels, up or down and left or right, borders reflected; 0 is off."""
    crop: float = 0.0
    """Probability of a random resized crop."""
    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Least and largest share of the area that a crop keeps."""
    flip: float = 0.0
    """Probability of a horizontal flip."""
    jitter: float = 0.0
    """Probability of colour jitter."""
    strength: float = 0.8
    """Factors on brightness, contrast and saturation lie between 1 - strength and 1 + strength."""
    blur: float = 0.0
    """Probability of a Gaussian blur over 5 x 5 pixels."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Least and largest standard deviation of the blur, in pixels."""

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise UsageError(f"augment.shift is {self.shift}: a number of pixels is 0 or more, say 4")
        for name in ("crop", "flip", "jitter", "blur", "strength"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"augment.{name} is {getattr(self, name)}: it must lie in [0, 1]; 0 is off")
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise UsageError(
                f"augment.crop_scale is {self.crop_scale}: shares of the area rise within (0, 1], say (.8, 1)"
            )
        low, high = self.blur_sigma
        if not 0 < low <= high < float("inf"):
            raise UsageError(
                f"augment.blur_sigma is {self.blur_sigma}: deviations are positive and rise, say (.1, 2)"
            )

    @property
    def on(self) -> bool:
        """Whether anything can change."""
        return max(self.shift, self.crop, self.flip, self.jitter, self.blur) > 0
