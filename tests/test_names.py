"""The names of `gibbsian` itself: each is there, is the same thing as where it lives, and is declared."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gibbsian as gb
from gibbsian.core.lazy import declared

SOURCE = Path(gb.__file__)


@pytest.mark.parametrize("name", gb.__all__)
def test_every_name_is_there(name) -> None:
    thing = getattr(gb, name)
    assert name == "__version__" or callable(thing)


@pytest.mark.parametrize("package", ["", ".energies", ".mcmc", ".models", ".nets", ".starts"])
def test_editors_and_type_checkers_see_the_same_names(package: str) -> None:
    module = importlib.import_module(f"gibbsian{package}")
    assert sorted(declared(str(module.__file__))) == dir(module) == sorted(module.__all__)
    for name, (place, inside) in declared(str(module.__file__)).items():
        assert getattr(module, name) is getattr(importlib.import_module(place, module.__name__), inside)


def test_there_are_about_sixty() -> None:
    assert 55 <= len(gb.__all__) <= 100 and set(dir(gb)) == set(gb.__all__)


def test_no_module_hides_an_export_of_its_name() -> None:
    """Importing `package.name` sets that attribute, which then wins over a name imported when first used."""
    for init in SOURCE.parent.rglob("__init__.py"):
        package = importlib.import_module(
            ".".join(("gibbsian", *init.parent.relative_to(SOURCE.parent).parts))
        )
        modules = {p.stem for p in init.parent.iterdir() if p.suffix == ".py" or p.is_dir()}
        assert not modules & set(getattr(package, "__all__", ())), init


def test_unknown_names_are_refused_and_nothing_is_imported_for_help() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gb.nothing
    code = "import sys, gibbsian; dir(gibbsian); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
