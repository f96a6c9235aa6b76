"""From the columns of a table to points and labels: which column is what, each decision a line.

left out    names of rows: a first column without a name, or one named index, id and such, whose values all
            differ; columns of one value
labels      a column named y, label, class or target that looks like labels, or the only one of words
numbers     the others, true and false being 1 and 0
refused     other words, cells that are missing or no number (with on_error "skip" their rows are left out)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import DataError, UsageError, unknown
from ..core.spec import Table
from .frame import Column, Frame, counts_rows, idle, is_row_name, is_words
from .readers import Arrays

LABELS = ("label", "labels", "class", "classes", "target", "y")
NONE = "none"
"""As the column of labels: there is none."""


@dataclass(frozen=True)
class Choice:
    """What a person says of the columns, None where it is to be guessed; `stored` is a table read before."""

    columns: tuple[str, ...] | None = None
    label: str | None = None
    skip: bool = False
    stored: Table | None = None


def arrays_of(frame: Frame, choice: Choice) -> Arrays:
    """Points (N, D) float64 with their `Table`, labels and class names, and the notes.

    Raises `DataError` for cells that are missing or no numbers and for columns of words, `UsageError` for
    names of columns that are not there.
    """
    notes = list(frame.notes)
    frame = _named(frame)
    if choice.stored and choice.stored.names:
        choice = _as_stored(frame, choice)
    label = _label(frame, choice, notes)
    columns = _inputs(frame, choice, label, notes)
    if not columns:
        raise DataError(f"{frame.what} holds no column of numbers")
    columns, label = _whole_rows(frame, columns, label, choice.skip, notes)
    if choice.columns is None and choice.stored is None:
        columns = _varying(columns, notes)
    x = np.column_stack([column.values for column in columns])
    names = tuple(column.name for column in columns)
    y, classes = (None, None) if label is None else _classes(label, choice.stored, notes)
    zero, one = (0.0,) * len(names), (1.0,) * len(names)
    table = choice.stored or Table(names, zero, one, "" if label is None else label.name, classes or ())
    return Arrays(x, y, classes, table=table, notes=tuple(notes))


def _named(frame: Frame) -> Frame:
    """Names for all columns but a first one that lacks one beside others that have one; none twice."""
    without = not any(column.name for column in frame.columns)
    named: list[Column] = []
    for i, column in enumerate(frame.columns):
        name = column.name or (f"column {i + 1}" if without or i else "")
        while any(name == other.name for other in named):
            name = f"{name}.{i + 1}"
        named.append(replace(column, name=name, values=_truth(column)))
    return replace(frame, columns=named)


def _truth(column: Column) -> np.ndarray:
    """1 for true and 0 for false where a column holds nothing else."""
    if not isinstance(column.cells, list) or np.isfinite(column.values).any():
        return column.values
    words = [cell.lower() for cell in column.cells]
    if not set(words[:1]) <= {"true", "false"}:
        return column.values
    return np.array([{"true": 1.0, "false": 0.0}.get(word, np.nan) for word in words])


def _as_stored(frame: Frame, choice: Choice) -> Choice:
    """The columns that the table had when it was first read."""
    stored, found = choice.stored, [column.name for column in frame.columns]
    assert stored is not None
    lacking = [name for name in stored.names if name not in found]
    if lacking and not (len(found) == len(stored.names) and all(n.startswith("column ") for n in found)):
        raise DataError(f"{frame.what} has no column '{lacking[0]}', which the model learnt")
    columns = tuple(found) if lacking else stored.names
    label = stored.label if stored.label and stored.label in found else NONE
    return replace(choice, columns=columns, label=label)


def _label(frame: Frame, choice: Choice, notes: list[str]) -> Column | None:
    """The column of labels, if there is one."""
    if choice.label == NONE:
        return None
    if choice.label is not None:
        return _column(frame, choice.label)
    names = [column.name.lower() for column in frame.columns]
    free = [c for c in frame.columns if choice.columns is None or c.name not in choice.columns]
    named = [c for word in LABELS for c in free if c.name.lower() == word]
    for column in named:
        if column.name.lower() == "y" and "x" in names:
            continue
        if _looks_like_labels(column):
            return column
        notes.append(f"column '{column.name}' is read as numbers: its values are no classes")
    words = [c for c in free if is_words(c) and not is_row_name(frame, c) and len(set(c.cells)) > 1]
    if len(words) != 1 or choice.columns is not None or not _looks_like_labels(words[0]):
        return None
    return words[0]


def _looks_like_labels(column: Column) -> bool:
    """Words or whole numbers, of which there are half as many as rows at most."""
    written = [str(cell) for cell in column.cells]
    few = 2 * len(set(written)) <= len(written) or len(written) < 8
    known = column.values[np.isfinite(column.values)]
    return few and (is_words(column) or bool((known == np.round(known)).all()))


def _inputs(frame: Frame, choice: Choice, label: Column | None, notes: list[str]) -> list[Column]:
    """The columns of numbers, row numbers left out."""
    if choice.columns is not None:
        chosen = [_column(frame, name) for name in choice.columns]
    else:
        chosen = [c for c in frame.columns if c is not label]
        left = {c: why for c in chosen if len(chosen) > 1 and (why := idle(frame, c))}
        named = {c: f"column '{c.name}'" if c.name else "the first column, which has no name," for c in left}
        notes += [f"{named[column]} {why} and is left out" for column, why in left.items()]
        chosen = [c for c in chosen if c not in left]
        counts = [c.name for c in chosen if len(chosen) > 1 and counts_rows(c.values)]
        notes += [f"'{n}' counts the rows: name those to keep, --columns, if it is none" for n in counts]
    words = [c for c in chosen if is_words(c)]
    if words:
        names = " and ".join(f"'{c.name}'" for c in words)
        verb = f"column {names} holds" if len(words) == 1 else f"columns {names} hold"
        example = words[0].cells[int((np.isnan(words[0].values) & ~words[0].missing).argmax())]
        rest = ",".join(c.name for c in chosen if c not in words)
        raise DataError(
            f"{frame.what}: {verb} words, such as '{example}': give --label-column if that is "
            f"the class, or leave it out with --columns {rest or 'NAME,NAME'}"
        )
    return [replace(c, name=c.name or "column 1") for c in chosen]


def _column(frame: Frame, name: str) -> Column:
    """The column of that name, or of that number from 1 where columns have no names."""
    found = next((c for c in frame.columns if c.name in (name, f"column {name}")), None)
    if found is None:
        raise unknown(f"column of {frame.what}", name, [c.name for c in frame.columns])
    return found


def _whole_rows(
    frame: Frame, columns: list[Column], label: Column | None, skip: bool, notes: list[str]
) -> tuple[list[Column], Column | None]:
    """Rows in which every number and label is there; others are left out with `skip`, else a `DataError`."""
    bad = ~np.isfinite(np.column_stack([c.values for c in columns])).all(1)
    if label is not None:
        bad |= label.missing
    if not bad.any():
        return columns, label
    rows = frame.numbers[bad]
    if not skip:
        fault = _fault(frame, columns, label, int(bad.argmax()))
        raise DataError(f"{frame.what} {frame.row} {rows[0]} {fault}")
    if bad.all():
        raise DataError(f"{frame.what} has no {frame.row} without a missing value")
    shown = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    notes.append(
        f"{len(rows)} of {len(bad)} rows lack a number or label and are left out: {frame.row} {shown}"
    )
    return [c.select(~bad) for c in columns], label and label.select(~bad)


def _fault(frame: Frame, columns: Sequence[Column], label: Column | None, row: int) -> str:
    """What is wrong in a row, and what can be done."""
    advice = "fill it in, or leave such rows out: --on-error skip, or FILE@on_error=skip"
    column = next((c for c in columns if not np.isfinite(c.values[row])), None)
    named = [c.name or "column 1" for c in frame.columns]
    if column is None:
        assert label is not None
        return f"has no label in column {named.index(label.name) + 1}: {advice}"
    place = f"column {named.index(column.name) + 1}"
    title = "" if column.name == place else f" ('{column.name}')"
    return f"{place}{title} is '{column.cells[row]}': expected a finite number; {advice}"


def _varying(columns: list[Column], notes: list[str]) -> list[Column]:
    """Columns of one value are left out."""
    constant = [c for c in columns if len(c.values) > 1 and (c.values == c.values[0]).all()]
    for column in constant if len(constant) < len(columns) else ():
        notes.append(f"column '{column.name}' is {column.cells[0]} in every row and is left out")
    return [c for c in columns if c not in constant] or columns


def _classes(
    label: Column, stored: Table | None, notes: list[str]
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Labels from 0 with their names, whole numbers in order; those of the stored table if there is one."""
    truth = isinstance(label.cells, list) and {cell.lower() for cell in label.cells} <= {"true", "false"}
    whole = not truth and bool((label.values == np.round(label.values)).all())
    if not (truth or whole or is_words(label)):
        raise UsageError(f"column '{label.name}' holds no classes: its numbers are not whole")
    written = [str(int(v)) for v in label.values] if whole else [str(cell) for cell in label.cells]
    written = [cell.lower() for cell in written] if truth else written
    names = sorted(set(written), key=lambda name: (int(name) if whole else 0, name))
    if stored is not None and stored.classes:
        other = [name for name in names if name not in stored.classes]
        if other:
            notes.append(f"labels are not used: class '{other[0]}' is none of those that the model learnt")
            return None, None
        names = list(stored.classes)
    notes.append(
        f"column '{label.name}' holds the labels, {len(names)} classes; --label-column none: it does not"
    )
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in written]), tuple(names)
