import json

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.tasks.study.dimension import study_dimension


@pytest.fixture
def system(tiny_run):
    made = tiny_run("short_run", "digits", {"net.name": "mlp", "net.hidden": [8]}).trainer.model.eval()
    weights = torch.cat([torch.full((60,), 100.0), torch.ones(4)])
    made.net.forward = lambda x, y=None: (x.flatten(1).square() * weights).sum(1) / 2
    return made


def test_directions_are_counted_by_class(system) -> None:
    found = study_dimension(system, "digits", n=2)
    assert list(found.rows) == [str(k) for k in range(10)]
    for row in found.rows.values():
        assert row["below 0.05"].estimate == 4 and row["below 0.01"].estimate == 0
        assert row["negative"].estimate == 0 and 5 < row["PCA"].estimate < 40
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told and "PCA" in found.text()
    assert list(found.figures()) == ["spectra"]


def test_what_cannot_be_asked_is_one_line(system) -> None:
    with pytest.raises(UsageError, match="n is 1"):
        study_dimension(system, "digits", n=1)
    with pytest.raises(UsageError, match="no set of labelled images"):
        study_dimension(system, "toy:ring", n=2)
