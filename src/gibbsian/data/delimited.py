"""Text tables: separator, header, decimal mark and encoding found; every cell kept as it is written.

separator   semicolon, tab, bar, comma or blanks: the first that cuts the first lines into equal parts
header      a first line of words, or of whole numbers above decimals
comments    lines that begin with # are left out; one of as many words as there are columns is the header
numbers     a decimal comma where commas do not separate, groups of thousands, 1e-3; missing: see MISSING
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from .frame import MISSING, Column, Frame, is_number, numbers_of

MARKS = (";", "\t", "|", ",", " ")
GROUPED = {
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?"),
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?"),
}
SPACED = re.compile(r"([+-]?\d{1,3})((?:[ '\u2019\u00a0\u202f]\d{3})+)([.,]\d*)?")
"""Groups of thousands by blanks and apostrophes."""
PLAIN = re.compile(r"[+-]?\d+")
LOOKED_AT = 50
"""Lines by which the separator and the header are judged."""
LOOKED_AT_LETTERS = 100_000


def read_frame(path: Path, header: bool | None = None, skip: bool = False) -> Frame:
    """The columns of a text file; `skip` leaves lines of another width out, which are else a `DataError`."""
    text, notes = _text(path)
    mark = _separator(text)
    try:
        lines, comments = _lines(text, mark)
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as .csv ({error})") from error
    if not lines:
        raise DataError(f"{path} holds no lines of numbers")
    lines, left = _of_one_width(path, lines, skip)
    head, rows = _header(lines, mark, header, notes)
    if not rows:
        raise DataError(f"{path} holds no lines of numbers")
    width = len(rows[0][1])
    if not head and header is not False and comments and len(comments[-1]) == width:
        head = [] if any(is_number(word) for word in comments[-1]) else comments[-1]
    if len(head) == width - 1:
        head = ["", *head]  # as R writes row names
    cells = [[row[i] for _, row in rows] for i in range(width)]
    names = [" ".join(name.split()) for name in head] or [""] * width
    decimal = mark != "," and _decimal_comma(cells, mark, notes)
    columns = [_column(name, column, decimal, notes) for name, column in zip(names, cells, strict=True)]
    if left:
        notes.append(f"{len(left)} lines of another width are left out: {_listed(left)}")
    numbers = np.array([number for number, _ in rows])
    kept = [c for c in columns if c.name or not c.missing.all()] if len(columns) > 1 else columns
    return Frame(str(path), kept, numbers, "line", notes)


def _text(path: Path) -> tuple[str, list[str]]:
    """The whole text, and a note where it is not UTF-8."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return raw.decode("utf-16"), []
        try:
            return raw.decode("utf-8-sig").replace("\u2212", "-"), []  # a minus sign as it is printed
        except UnicodeDecodeError:
            if b"\0" in raw:
                raise
            return raw.decode("latin-1"), ["the file is not UTF-8 and is read as Latin-1"]
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as .csv ({error})") from error


def _separator(text: str) -> str:
    """The first mark that cuts the first lines into as many cells, two at least; else the commonest."""
    declared = re.match(r"sep=(.)\r?\n", text)
    if declared:
        return declared[1]
    first = text[:LOOKED_AT_LETTERS].splitlines()[: None if len(text) < LOOKED_AT_LETTERS else -1]
    some = "\n".join(line for line in first if not line.startswith("#"))
    widths = {}
    for mark in MARKS:
        try:
            widths[mark] = [len(cells) for _, cells in _lines(some, mark)[0][:LOOKED_AT]]
        except csv.Error:
            widths[mark] = [1]
    for mark, found in widths.items():
        if found and min(found[1:] or found) > 1 and len(set(found[1:])) < 2 and found[0] + 1 >= max(found):
            return mark
    return max(MARKS[:-1], key=lambda mark: sum(n > 1 for n in widths[mark])) if some else ","


def _lines(text: str, mark: str) -> tuple[list[tuple[int, list[str]]], list[list[str]]]:
    """Lines with something in them, stripped, with their numbers; and the comments, cut in the same way."""
    lines, comments, start = [], [], 1
    blanks = mark == " "
    read = csv.reader(io.StringIO(text, newline=None), delimiter=mark, skipinitialspace=True)
    for cells in read:
        number, start = start, read.line_num + 1
        if number == 1 and re.fullmatch(r"sep=.?", cells[0] if cells else ""):
            continue
        if cells and cells[0].startswith("#"):
            words = [cells[0].lstrip("# "), *cells[1:]]
            comments.append([word.strip() for word in words if word or not blanks])
            continue
        row = [cell.strip() for cell in cells]
        row = [cell for cell in row if cell] if blanks else row
        if any(row):
            lines.append((number, row))
    return lines, comments


def _of_one_width(
    path: Path, lines: list[tuple[int, list[str]]], skip: bool
) -> tuple[list[tuple[int, list[str]]], list[int]]:
    """Lines as wide as the first, or as the second where the first is a header that lacks the row names."""
    first = len(lines[0][1])
    named = len(lines) > 1 and len(lines[1][1]) == first + 1 and _are_names([row[0] for _, row in lines[1:]])
    width = first + named
    wrong = [number for number, cells in lines[1:] if len(cells) != width]
    if wrong and not skip:
        cells = next(len(cells) for number, cells in lines if number == wrong[0])
        raise DataError(
            f"{path} line {wrong[0]} has {cells} columns where the first has {width}: mend it, or leave such "
            "lines out with --on-error skip"
        )
    return [lines[0], *(line for line in lines[1:] if len(line[1]) == width)], wrong


def _are_names(cells: list[str]) -> bool:
    """Whether a column may hold names or numbers of rows: all differ, and none is a decimal."""
    return len(set(cells)) == len(cells) and not any(is_number(c) and not PLAIN.fullmatch(c) for c in cells)


def _header(
    lines: list[tuple[int, list[str]]], mark: str, header: bool | None, notes: list[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, none without a header, and the other lines."""
    first, rest = lines[0][1], lines[1:]
    if header is None:
        header = _is_header(first, [cells for _, cells in rest[:LOOKED_AT]], mark)
        if header and any(PLAIN.fullmatch(cell) for cell in first):
            notes.append(f"the first line, ending in {first[-1]}, is a header; --header no: a row")
    return (first, rest) if header else ([], lines)


def _is_header(first: list[str], rest: list[list[str]], mark: str) -> bool:
    """A first line of words, of a word above numbers, or of different whole numbers above decimals."""
    if rest and len(first) < len(rest[0]):
        return True

    def reads(cell: str) -> bool:
        return is_number(cell) or _grouped(cell, ",") or is_number(cell.replace(",", ".", mark != ","))

    words = [i for i, cell in enumerate(first) if not reads(cell) and cell.lower() not in MISSING]
    if len(words) + sum(not cell for cell in first) == len(first):
        return True
    if any(rest and all(reads(row[i]) or row[i].lower() in MISSING for row in rest) for i in words):
        return not all(cell.lower() in MISSING for row in rest for cell in (row[i] for i in words))
    names = [cell for cell in first if cell]
    if words or len(set(names)) < len(names) or not all(PLAIN.fullmatch(cell) for cell in names):
        return False
    counting = [int(name) for name in names] == list(range(len(names)))
    columns = [i for i, cell in enumerate(first) if cell]
    decimals = sum(any(not PLAIN.fullmatch(row[i]) for row in rest) for i in columns)
    return bool(rest) and (
        decimals == len(columns) or (counting and decimals > 0 and len(names) > 2) or "" in first
    )


def _grouped(cell: str, mark: str) -> bool:
    return GROUPED[mark].fullmatch(cell) is not None


def _decimal_comma(cells: list[list[str]], mark: str, notes: list[str]) -> bool:
    """Whether commas are decimal marks in a file that they do not separate."""
    commas = [cell for column in cells for cell in column if "," in cell and is_number(cell.replace(",", ""))]
    surely = mark == ";" and not any("." in cell or cell.count(",") > 1 for cell in commas)
    if not commas or (not surely and all(_grouped(cell, ",") for cell in commas)):
        return False
    notes.append(f"commas are decimal marks, as in {commas[0]}")
    return True


def _column(name: str, cells: list[str], decimal: bool, notes: list[str]) -> Column:
    """A column with its numbers: decimal commas and groups of thousands."""
    values = numbers_of(cells)
    if not decimal and np.isfinite(values).all():
        return Column(name, cells, values)
    written, mark = cells, "." if decimal else ","
    if any(SPACED.fullmatch(cell) for cell in cells):
        first = next(cell for cell in cells if SPACED.fullmatch(cell))
        written = [re.sub(r"[^\d.,+-]", "", cell) if SPACED.fullmatch(cell) else cell for cell in cells]
        notes.append(f"column '{name}': {first} is read as {re.sub(r'[^0-9.,+-]', '', first)}")
    marked = [cell for cell in written if mark in cell]
    if marked and all(_grouped(cell, mark) for cell in marked):
        written = [cell.replace(mark, "") for cell in written]
        notes.append(f"column '{name}': {marked[0]} is read as {marked[0].replace(mark, '')}")
    elif marked and not decimal and all(is_number(cell.replace(",", ".")) for cell in marked):
        decimal = True
        notes.append(f"column '{name}': commas are decimal marks, as in {marked[0]}")
    if decimal:
        written = [cell.replace(",", ".") for cell in written]
    return Column(name, cells, numbers_of(written))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
