"""What surrounds the code: the version, hooks, the matrix of versions, the citation."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import gibbsian

HOME = Path(__file__).parents[1]
PROJECT = (HOME / "pyproject.toml").read_text()


def test_the_version_has_one_place() -> None:
    places = [HOME / "pyproject.toml", HOME / "CITATION.cff", *(HOME / "src").rglob("*.py")]
    stated = re.compile(r'^\s*(?:__version__|version)\s*[=:]\s*"?\d', re.MULTILINE)
    assert [p.name for p in places if stated.search(p.read_text())] == ["version.py"]
    assert 'attr = "gibbsian.version.__version__"' in PROJECT
    assert f"this will be {gibbsian.__version__}" in (HOME / "CHANGELOG.md").read_text()


def test_hooks_are_local() -> None:
    hooks = yaml.safe_load((HOME / ".pre-commit-config.yaml").read_text())
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}


def test_the_matrix_spans_the_promised_versions() -> None:
    jobs = yaml.safe_load((HOME / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    rows = jobs["test"]["strategy"]["matrix"]["include"]
    assert [row["python"] for row in rows] == ["3.10", "3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.10"' in PROJECT
    oldest = dict(re.findall(r'"(torch|numpy|pillow|safetensors)>=([\d.]+)"', PROJECT))
    for name, version in oldest.items():
        assert re.search(rf"{name}=={re.escape(version)}", rows[0]["wanted"]), f"{name} {version}"
    assert "torch" in rows[-1]["wanted"].split()  # the newest


def test_the_citation_reads() -> None:
    citation = yaml.safe_load((HOME / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    assert citation["license"] == "Apache-2.0" and 'license = "Apache-2.0"' in PROJECT


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*HOME.glob("*.md"), *(HOME / "docs").glob("*.md"), *(HOME / "benchmarks").glob("*.md")]
    broken = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if not link.startswith(("http://", "https://", "mailto:")) and not (page.parent / link).exists()
    ]
    assert not broken, "\n".join(broken)


def test_what_contributing_names_is_there() -> None:
    named = re.findall(
        r"`((?:tests|models|mcmc|tasks|cli|scripts)/[\w/.]+)`", (HOME / "CONTRIBUTING.md").read_text()
    )
    gone = [n for n in named if not (HOME / n).exists() and not (HOME / "src" / "gibbsian" / n).exists()]
    assert named and not gone, gone
