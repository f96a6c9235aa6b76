"""Errors end in an exit code and name the nearest thing."""

from __future__ import annotations

import math

import pytest

from gibbsian.core import errors
from gibbsian.core.errors import did_you_mean, require_not_negative, require_positive, unknown


def test_exit_codes_are_those_of_the_command_line() -> None:
    codes = {
        errors.GibbsianError: 1,
        errors.UsageError: 2,
        errors.DataError: 1,
        errors.CheckpointError: 1,
        errors.DivergedError: 4,
        errors.Interrupted: 130,
    }
    for cls, code in codes.items():
        assert cls.exit_code == code and issubclass(cls, errors.GibbsianError)
    public = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.GibbsianError)}
    assert public == set(codes)


def test_the_nearest_name_or_all_names() -> None:
    assert did_you_mean("igebn", ["jem", "igebm"]) == "did you mean 'igebm'?"
    assert did_you_mean("q", ["jem", "igebm"]) == "choose from igebm, jem"
    assert str(unknown("system", "igebn", ["igebm"])) == "unknown system 'igebn': did you mean 'igebm'?"


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf])
def test_positive(value) -> None:
    require_positive(a=1, b=1e-300)
    with pytest.raises(errors.UsageError, match="size is"):
        require_positive(size=value)


@pytest.mark.parametrize("value", [-1e-300, math.nan, math.inf])
def test_not_negative(value) -> None:
    require_not_negative(a=0, b=3.0)
    with pytest.raises(errors.UsageError, match="size is"):
        require_not_negative(size=value)
