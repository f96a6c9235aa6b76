"""Images in the features of an Inception network of the user's: FID and IS where its weights are verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError
from ..data.dataset import Dataset
from ..metrics.classes import inception_score
from ..metrics.frechet import gaussian_distance
from .image_evaluator import ImageEvaluator
from .inception import WIDTH, Inception
from .point_evaluator import Seen

PROBED, WIDEST, SPREAD = 500, 3.0, 0.2
"""Training images whose features are held against stored statistics; how far their mean may be, over what is
expected of so many; and how far their total variance, relatively."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean `mu` (2048,) and covariance `sigma` (2048, 2048) of a data set, as they are spread for the FID."""

    mu: Tensor
    sigma: Tensor

    def unmet(self, features: Tensor) -> str:
        """What of `features` (n, 2048) of images of that set is not as stored; empty where they meet it.

        The square of the distance of their mean from `mu` is to be 3 tr(sigma) / n at most, three times what
        is expected, and their total variance within 20 % of tr(sigma).
        """
        expected = float(self.sigma.trace()) / len(features)
        far = float((features.double().mean(0) - self.mu).square().sum()) / expected
        spread = float(features.double().var(0).sum()) / float(self.sigma.trace())
        if far > WIDEST:
            return f"the mean of {len(features)} training images is {far:.3g} times as far as expected"
        if abs(spread - 1) > SPREAD:
            return f"the variance of {len(features)} training images is {spread:.3g} of that stored"
        return ""


def read_statistics(path: Path) -> Statistics:
    """The statistics in an .npz file; raises `DataError` for another file."""
    expected = f"expected is an .npz of mu ({WIDTH},) and sigma ({WIDTH}, {WIDTH})"
    try:
        with np.load(path, allow_pickle=False) as found:
            mu, sigma = (torch.from_numpy(found[key].astype(np.float64)) for key in ("mu", "sigma"))
    except (OSError, KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} holds no statistics: {expected}") from error
    if mu.shape != (WIDTH,) or sigma.shape != (WIDTH, WIDTH):
        raise DataError(f"{path} has mu {tuple(mu.shape)} and sigma {tuple(sigma.shape)}: {expected}")
    return Statistics(mu, sigma)


def verify(net: Inception, train: Dataset, statistics: Statistics | None) -> tuple[Statistics | None, str]:
    """Whether the weights of `net` are the published ones, by their SHA-256 or as the features of training
    images meet `statistics`; these, if they are met, and what is to be told.
    """
    unmet, told = "", "the weights are the published ones by their SHA-256"
    if statistics is not None:
        rows = torch.arange(0, len(train), max(1, len(train) // PROBED))[:PROBED]
        unmet = statistics.unmet(net.features(train.batch(rows).x))
        told = f"stored statistics are not met: {unmet}" if unmet else "stored statistics are met"
        net.verified = net.verified or not unmet
    if not net.verified:
        why = told if statistics is not None else "weights not verified (another SHA-256, no statistics)"
        told = f"{why}: an inception distance, not an FID"
    return (None if unmet else statistics), told


class InceptionImages(ImageEvaluator):
    """Images in these features; with `statistics` the FID is the distance to those, else to held-out ones."""

    features: Inception
    statistics: Statistics | None = None

    def against(self, statistics: Statistics | None, note: str) -> InceptionImages:
        """Itself, with what `verify` found."""
        self.statistics, self.notes = statistics, (*self.notes, note)
        return self

    def measures(self, seen: Seen) -> dict[str, float]:
        """Those of images, with `fid` and `inception_score` where the weights are verified."""
        found = super().measures(seen)
        if not self.features.verified:
            return found
        features, known = seen["features"], self.statistics
        fid = found["feature_distance"]
        if known is not None:
            fid = gaussian_distance(features.mean(0), features.T.cov(), known.mu, known.sigma)
        return found | {"fid": fid, "inception_score": inception_score(self.features.probabilities(features))}

    @property
    def _unit(self) -> Tensor:
        return torch.ones(())

    def identity(self) -> dict[str, Any]:
        """With the statistics."""
        known = self.statistics
        return {**super().identity(), "statistics": None if known is None else float(known.mu.sum())}
