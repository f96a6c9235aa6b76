"""Lists of mutations in text files, one after the other as a person reads a change:

    mcmc/langevin.py:Langevin.step_by | mcmc/test_langevin.py oracles/test_invariance.py
    - -step_size / 2
    + step_size / 2
    the chain climbs

that is the file and, where the old text is not the only one of its kind in it, the function; the test files
of which one must fail; the old text, within one line, and the new one; a word of why. Entries are parted by
empty lines, and lines that begin with # are comments.
"""

from __future__ import annotations

from pathlib import Path

from .mutation import SOURCE, Mutation, function_at, functions

HERE = Path(__file__).parent
EQUIVALENT, SURVIVORS = HERE / "equivalent.txt", HERE / "survivors.txt"
"""Drawn mutations that change nothing that could be seen, and those that survive, each with its reason."""


def kept(root: Path) -> list[Mutation]:
    """All mutations that are kept, of the tree at `root`, by area."""
    return [m for path in sorted((HERE / "kept").glob("*.txt")) for m in read(path, root)]


def reasons(path: Path, root: Path) -> dict[str, str]:
    """Why each mutation of a list is there, by its key."""
    return {m.key: m.why for m in read(path, root)}


def read(path: Path, root: Path) -> list[Mutation]:
    """The mutations of one list; `ValueError` names an entry that is not well made or no longer applies."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    return [_entry(block, path.name, root) for block in text.split("\n\n") if block.strip()]


def _entry(block: str, name: str, root: Path) -> Mutation:
    head, *rest = block.strip("\n").splitlines()
    if len(rest) != 3 or rest[0][:2] != "- " or rest[1][:2] != "+ ":
        raise ValueError(f"{name}: an entry is a place, '- old', '+ new' and a reason, not\n{block}")
    place, _, tests = head.partition("|")
    file, _, function = place.strip().partition(":")
    old, new, why = rest[0][2:], rest[1][2:], rest[2].strip()
    text = (root / SOURCE / file).read_text()
    lines = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        for _ in range(line.count(old))
        if not function or function_at(text, number) == function
    ]
    if len(lines) != 1:
        raise ValueError(
            f"{name}: {file} has {len(lines)} places of {old!r}: it must be one{_hint(text, function)}"
        )
    before = text.splitlines()[lines[0] - 1].strip()
    after = before.replace(old, new)
    return Mutation(file, lines[0], before, after, function_at(text, lines[0]), tuple(tests.split()), why)


def _hint(text: str, function: str) -> str:
    if function and function not in (name for *_, name in functions(text)):
        return f" (there is no function {function})"
    return ""
