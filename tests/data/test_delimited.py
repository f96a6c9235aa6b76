"""Text tables as people have them: separators, decimal marks, headers, comments, encodings, missing cells."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import DataError, GibbsianError, UsageError

X = np.round(np.random.default_rng(0).normal(size=(40, 3)), 3)


def rows(mark=",", head=None, cells=lambda i: [f"{v:.3f}" for v in X[i, :2]]):
    """Lines of 40 rows, two columns of X by default."""
    lines = [] if head is None else [head]
    return "\n".join([*lines, *(mark.join(cells(i)) for i in range(len(X)))])


def commas(i):
    return [f"{v:.3f}".replace(".", ",") for v in X[i, :2]]


PLAIN = rows(head="a,b")
SAME = {
    "plain": PLAIN,
    "no header": rows(),
    "quoted": rows(head='"a","b"', cells=lambda i: [f'"{v:.3f}"' for v in X[i, :2]]),
    "semicolons": rows(";", "a;b"),
    "decimal commas": rows(";", "a;b", commas),
    "decimal commas without a header": rows(";", None, commas),
    "quoted decimal commas": rows(",", "a,b", lambda i: [f'"{c}"' for c in commas(i)]),
    "tabs": rows("\t", "a\tb"),
    "tabs and decimal commas": rows("\t", "a\tb", commas),
    "bars": rows("|", "a|b"),
    "blanks": rows("  "),
    "blanks after commas": rows(", ", 'a, "b"'),
    "Excel's first line": "sep=;\n" + rows(";", "a;b"),
    "Windows lines": PLAIN.replace("\n", "\r\n"),
    "old Mac lines": PLAIN.replace("\n", "\r"),
    "empty lines": "\n" + PLAIN.replace("\n", "\n\n", 3) + "\n,\n\n",
    "comments": "# of Monday\n#\n" + PLAIN,
    "names in a comment": rows(" ", "# a b"),
    "a comma at the end": PLAIN.replace("\n", ",\n") + ",",
    "pandas' index": rows(head=",a,b", cells=lambda i: [str(i), *map(str, X[i, :2])]),
    "an index of other numbers": rows(head=",a,b", cells=lambda i: [str(i * 7 % 40), *map(str, X[i, :2])]),
    "an index of times": rows(head=",a,b", cells=lambda i: [f"10:{i}", *map(str, X[i, :2])]),
    "an index read and written": rows(head="Unnamed: 0,a,b", cells=lambda i: [str(i), *map(str, X[i, :2])]),
    "a named index": rows(head="id,a,b", cells=lambda i: [str(i + 1), *map(str, X[i, :2])]),
    "R's row names": rows(head='"a","b"', cells=lambda i: [f'"{i + 1}"', *map(str, X[i, :2])]),
    "a constant column": rows(head="a,c,b", cells=lambda i: [str(X[i, 0]), "3", str(X[i, 1])]),
    "an empty column": rows(head="a,c,b", cells=lambda i: [str(X[i, 0]), "", str(X[i, 1])]),
    "numbers as names": rows(head="0,1"),
    "years as names": rows(head="2019,2020"),
    "an index of two frames put together": rows(
        head=",a,b", cells=lambda i: [str(i % 20), *map(str, X[i, :2])]
    ),
    "two indices": rows(head=",Unnamed: 0,a,b", cells=lambda i: [str(i), str(i), *map(str, X[i, :2])]),
    "an index read and written twice": rows(
        head="Unnamed: 0.1,Unnamed: 0,a,b", cells=lambda i: [str(i), str(i), *map(str, X[i, :2])]
    ),
    "an id in another order": rows(head="a,b,ID", cells=lambda i: [*map(str, X[i, :2]), str(i * 7 % 40)]),
    "an id of words": rows(head="customer_id,a,b", cells=lambda i: [f"x{i}", *map(str, X[i, :2])]),
    "an id from 100": rows(head="row_id,a,b", cells=lambda i: [str(100 + i), *map(str, X[i, :2])]),
    "numbers under no.": rows(head="No.,a,b", cells=lambda i: [str(i + 1), *map(str, X[i, :2])]),
    "a constant word": rows(head="a,unit,b", cells=lambda i: [str(X[i, 0]), "kg", str(X[i, 1])]),
    "minus signs as they are printed": PLAIN.replace("-", "\u2212"),
    "an index beside numbers as names": rows(head=",0,1", cells=lambda i: [str(i), *map(str, X[i, :2])]),
}


@pytest.mark.parametrize("habit", SAME)
def test_the_same_points_are_read_from_text_of_any_habit(tmp_path, habit):
    (tmp_path / "p.csv").write_bytes(SAME[habit].encode())
    data = gb.dataset(tmp_path / "p.csv")
    assert data.event_shape == (2,) and data.y is None
    train = gb.dataset(X[:, :2])
    assert {tuple(row) for row in data.x.tolist()} < {tuple(row) for row in train.x.tolist()}
    assert len(data) == 36 and all("\n" not in note for note in data.notes)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.csv", PLAIN.encode("utf-8-sig")),
        ("a.csv", PLAIN.encode("utf-16")),
        ("A.CSV", PLAIN.encode()),
        ("a.txt", PLAIN.encode()),
        ("a.Tsv", PLAIN.replace(",", "\t").encode()),
        ("a.csv.gz", gzip.compress(PLAIN.encode())),
        ("a.csv", PLAIN.replace("b", "größe").encode("latin-1")),
    ],
)
def test_encodings_and_endings(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    assert gb.dataset(tmp_path / name).event_shape == (2,)


@pytest.mark.parametrize(
    ("mark", "sign"),
    [(",", ","), ("\t", ","), ("|", ","), (";", ","), (";", " "), (",", "'"), ("\t", "\u00a0")],
)
def test_groups_of_thousands_are_read_and_told(tmp_path, mark, sign):
    cells = [f'"{1_234_000 + i:,}"'.replace(",", sign) for i in range(40)]
    text = rows(mark, mark.join("ab"), lambda i: [str(X[i, 0]), cells[i]])
    (tmp_path / "p.csv").write_text(text)
    data = gb.dataset(tmp_path / "p.csv")
    assert data.x[:, 1].min() >= 1_234_000 and any("is read as 1234" in note for note in data.notes)


def test_points_group_thousands_where_commas_are_decimal_marks(tmp_path):
    text = rows(";", "a;b", lambda i: [f"{X[i, 0]:.2f}".replace(".", ","), f"{50 + i}.125"])
    (tmp_path / "p.csv").write_text(text)
    assert gb.dataset(tmp_path / "p.csv").x[:, 1].min() >= 50_125


@pytest.mark.parametrize("cell", ["", "NA", "nan", "null", "inf", "oops", ".", "--", "1e999"])
def test_a_cell_without_a_number_is_one_line_or_left_out(tmp_path, cell):
    def cells(i):
        return [str(X[i, 0]), cell if i in (4, 9) else str(X[i, 1])]

    (tmp_path / "p.csv").write_text(rows(head="a,b", cells=cells))
    with pytest.raises(DataError, match=rf"line 6 column 2 \('b'\) is '{cell}'.*--on-error skip"):
        gb.dataset(tmp_path / "p.csv")
    data = gb.dataset(tmp_path / "p.csv", on_error="skip")
    assert len(data) == 35 and any("2 of 40 rows" in n and "line 6, 11" in n for n in data.notes)
    assert data.full_name.endswith("@on_error=skip")


def test_lines_of_another_width(tmp_path):
    (tmp_path / "p.csv").write_text(PLAIN + "\n1,2,3\n7")
    with pytest.raises(DataError, match="line 42 has 3 columns where the first has 2"):
        gb.dataset(tmp_path / "p.csv")
    notes = gb.dataset(tmp_path / "p.csv", on_error="skip").notes
    assert any("2 lines of another width are left out: 42, 43" in note for note in notes)


@pytest.mark.parametrize("first", ["My experiment", "% written by hand", "// of Monday"])
def test_a_title_or_a_strange_comment_is_one_line(tmp_path, first):
    (tmp_path / "p.csv").write_text(f"{first}\n{PLAIN}")
    with pytest.raises(DataError, match="line 2 has 2 columns where the first has 1: mend it") as error:
        gb.dataset(tmp_path / "p.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("head", ["a", "price", '"x y"'])
def test_one_column_of_decimal_commas_is_not_two(tmp_path, head):
    (tmp_path / "p.csv").write_text(head + "\n" + "\n".join(f"{i % 9},{i}5" for i in range(20)))
    with pytest.raises(DataError, match="line 2 has 2 columns where the first has 1"):
        gb.dataset(tmp_path / "p.csv")


def test_a_header_can_be_asked_for_or_denied(tmp_path):
    (tmp_path / "p.csv").write_text(rows(head="0.5,1.5"))
    assert gb.dataset(tmp_path / "p.csv", header=True).table.names == ("0.5", "1.5")
    assert len(gb.dataset(tmp_path / "p.csv")) == 37
    (tmp_path / "q.csv").write_text(rows(head="2019,2020"))
    assert len(gb.dataset(f"{tmp_path}/q.csv@header=no")) == 37


def test_fine_differences_of_large_numbers_are_kept(tmp_path):
    (tmp_path / "p.csv").write_text(rows(head="t,b", cells=lambda i: [f"{1.7e9 + i}", str(X[i, 1])]))
    seen = gb.dataset(tmp_path / "p.csv").batch(torch.arange(36)).x
    assert seen.dtype == torch.float32 and len(set(seen[:, 0].tolist())) == 36


@pytest.mark.parametrize("name", ["book.xlsx", "rows.json", "notes.md"])
def test_files_of_other_kinds_are_one_line(tmp_path, name):
    (tmp_path / name).write_text("PK")
    with pytest.raises(UsageError, match=f"{name} is no file that is read: save it as one of .npz"):
        gb.dataset(tmp_path / name)


@pytest.mark.parametrize("text", ["", "a,b\n", "#\n", "a,b\n,\n"])
def test_tables_without_rows(tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(GibbsianError, match="no lines of numbers"):
        gb.dataset(tmp_path / "p.csv")
