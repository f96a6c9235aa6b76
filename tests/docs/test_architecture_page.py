"""Every Python block of docs/architecture.md runs, in order; what it shows holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gibbsian.models.papers import PAPERS
from gibbsian.nets.families import FAMILIES

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the blocks define, run one after another."""
    found: dict[str, Any] = {"__name__": "page"}
    for block in BLOCKS:
        exec(compile(block, "docs/architecture.md", "exec", dont_inherit=True), found)
    PAPERS.pop("plain")
    FAMILIES.pop("tower")
    return found


def test_the_paper_trains_and_is_sampled(names) -> None:
    assert names["model"].record.name == "plain" and names["drawn"].x.shape == (16, 2)


def test_the_network_has_its_settings(names) -> None:
    net, x = names["towered"].net, names["torch"].zeros(2, 1, 8, 8)
    assert net.first.weight.shape == (8, 64) and names["towered"].energy(x).shape == (2,)


def test_the_kernel_is_exact(names) -> None:
    x, n = names["chain"].position, 500
    assert abs(float(x.mean())) < 5 * (2 * n) ** -0.5
    assert abs(float(x.var()) - 1) < 5 * (2 / (2 * n)) ** 0.5
    assert 0.3 < float(names["chain"].info.acceptance.mean()) < 0.9


def test_the_task_gives_a_share(names) -> None:
    assert 0 <= names["share"] <= 1


def test_files_that_the_page_names_are_there() -> None:
    source = Path(__file__).parents[2] / "src" / "gibbsian"
    for path in re.findall(r"`((?:\w+/)+\w+\.py)", PAGE):
        assert (source / path).is_file() or (source.parents[1] / path).is_file(), path
