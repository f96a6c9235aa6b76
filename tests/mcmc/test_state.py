"""Sums of the reports of steps."""

from __future__ import annotations

import torch

from gibbsian.mcmc.reports import ChainInfo, InfoAccumulator


def test_reports_are_averaged_and_a_divergence_is_kept() -> None:
    total = InfoAccumulator(3)
    lost = ([True, False, False], [False, True, False], [False, False, False])
    for k, divergent in enumerate(lost):
        numbers = torch.full((3,), float(k))
        total.add(ChainInfo(numbers, torch.tensor(divergent), numbers + 1, 2 * numbers + 2, numbers[0]))
    found = total.summary(torch.device("cpu"), 3)
    assert found.divergent.tolist() == [True, True, False] and found.steps == 3
    assert found.acceptance.tolist() == [1, 1, 1] and found.drift.tolist() == [2, 2, 2]
    assert float(found.clipped) == 1 and float(found.drift_noise) == 0.5 and found.saturated is None
