"""Which column of a table is what: labels, row numbers, numbers, words; and data frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import DataError, GibbsianError, UsageError

X = np.round(np.random.default_rng(0).normal(size=(40, 3)), 3)
WORDS = [("cat", "dog")[i % 2] for i in range(40)]
KINDS = [i % 3 for i in range(40)]


def table(tmp_path, **columns):
    """A file of these columns, under their names."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    return tmp_path / "t.csv"


A, B, C = X.T.tolist()
LABELLED = {
    "words under label": ({"a": A, "b": B, "label": WORDS}, ("cat", "dog")),
    "words first": ({"species": WORDS, "a": A, "b": B}, ("cat", "dog")),
    "words last": ({"a": A, "b": B, "species": WORDS}, ("cat", "dog")),
    "numbers under y": ({"a": A, "b": B, "y": KINDS}, ("0", "1", "2")),
    "numbers under Class": ({"Class": KINDS, "a": A, "b": B}, ("0", "1", "2")),
    "numbers from 1 under target": ({"a": A, "b": B, "target": [k + 1 for k in KINDS]}, ("1", "2", "3")),
    "decimals under label": ({"a": A, "b": B, "label": map(float, KINDS)}, ("0", "1", "2")),
    "true and false": ({"a": A, "b": B, "label": [k > 0 for k in KINDS]}, ("false", "true")),
    "class beside x and y": ({"x": A, "y": B, "class": WORDS}, ("cat", "dog")),
}


@pytest.mark.parametrize("case", LABELLED)
def test_labels_are_found_and_told(tmp_path, case):
    columns, classes = LABELLED[case]
    data = gb.dataset(table(tmp_path, **columns))
    assert data.event_shape == (2,) and data.classes == classes
    assert any("holds the labels" in note for note in data.notes)


POINTS = {
    "x and y": {"x": A, "y": B},
    "whole x and y": {"x": range(40), "y": KINDS},
    "X and Y": {"X": A, "Y": KINDS},
    "y of decimals": {"a": A, "y": B},
    "target of decimals": {"a": A, "target": C},
    "true and false": {"a": A, "flag": [k > 0 for k in KINDS]},
    "whole numbers under another name": {"a": A, "sex": KINDS},
    "a label of its own each": {"a": A, "label": range(100, 140)},
}


@pytest.mark.parametrize("case", POINTS)
def test_coordinates_are_no_labels(tmp_path, case):
    data = gb.dataset(table(tmp_path, **POINTS[case]))
    assert data.event_shape == (2,) and data.y is None


@pytest.mark.parametrize("name", ["sample", "order", "minutes"])
def test_a_column_that_counts_under_another_name_is_told(tmp_path, name):
    data = gb.dataset(table(tmp_path, **{"a": A, name: range(1, 41)}))
    assert data.table.names == ("a", name) and f"'{name}' counts the rows" in data.notes[0]


@pytest.mark.parametrize("name", ["id", "index", "no"])
def test_a_column_that_repeats_numbers_no_rows(tmp_path, name):
    assert gb.dataset(table(tmp_path, **{name: [i // 2 for i in range(40)], "a": A})).event_shape == (2,)


def test_a_person_can_say_which_column_is_what(tmp_path):
    path = table(tmp_path, a=A, b=B, kind=KINDS, note=[f"n{i}" for i in range(40)])
    data = gb.dataset(path, columns=["b", "a"], label_column="kind")
    assert data.table.names == ("b", "a") and data.table.label == "kind" and len(data.classes) == 3
    again = gb.dataset(data.full_name)
    assert again.fingerprint == data.fingerprint and "label_column=kind@columns=b,a" in data.full_name
    assert gb.dataset(f"{path}@columns=a,kind@label_column=none").y is None
    (tmp_path / "bare.csv").write_text("\n".join(f"{a},{k}" for a, k in zip(A, KINDS, strict=True)))
    assert gb.dataset(tmp_path / "bare.csv", columns=["1"], label_column="2").event_shape == (1,)


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        (
            {"a": A, "town": WORDS, "species": WORDS},
            {},
            "columns 'town' and 'species' hold words, such as 'cat'",
        ),
        ({"a": A, "name": [f"n{i}" for i in range(40)]}, {}, "column 'name' holds words.*--columns a"),
        (
            {"day": ["2020-01-02"] * 20 + ["2020-01-03"] * 20, "a": A, "label": KINDS},
            {},
            "'day'.*'2020-01-02'",
        ),
        ({"a": A, "price": [f"${i}" for i in range(40)]}, {}, "'price' holds words, such as '\\$0'"),
        ({"a": A, "b": B}, {"label_column": "lable"}, "unknown column of .*'lable'"),
        ({"a": A, "b": B}, {"columns": ["A"]}, "unknown column of .*choose from a, b"),
        ({"a": A, "b": B}, {"label_column": "a"}, "'a' holds no classes: its numbers are not whole"),
        ({"label": WORDS}, {}, "holds no column of numbers"),
    ],
)
def test_what_cannot_be_guessed_is_one_line(tmp_path, columns, options, words):
    with pytest.raises(GibbsianError, match=words) as error:
        gb.dataset(table(tmp_path, **columns), **options)
    assert "\n" not in str(error.value)


def test_options_of_tables_are_refused_elsewhere(tmp_path):
    np.save(tmp_path / "a.npy", X)
    for data, options in (("digits", {"header": True}), (tmp_path / "a.npy", {"columns": ["1"]})):
        with pytest.raises(UsageError, match="is for tables, which"):
            gb.dataset(data, **options)
    for data in ("digits", "toy:ring"):
        with pytest.raises(UsageError, match="standardise is for columns of your own"):
            gb.dataset(data, standardise=True)


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def frame(pandas):
    return pandas.DataFrame({"age": X[:, 0] * 9 + 40, "pay": 5e4 + 1e4 * X[:, 1], "team": WORDS})


def test_a_data_frame_is_read_as_its_file_is(pandas, tmp_path):
    data = gb.dataset(frame(pandas))
    assert data.table.names == ("age", "pay") and data.classes == ("cat", "dog") and len(data) == 40
    lacking = frame(pandas)
    lacking.loc[5, "age"] = np.nan
    with pytest.raises(DataError, match=r"data frame row 6 column 1 \('age'\) is 'nan'"):
        gb.dataset(lacking)
    assert len(gb.dataset(lacking, on_error="skip")) == 39
    assert "the index 'pay' is left out" in gb.dataset(frame(pandas).set_index("pay")).notes[0]
    model = gb.fit("igebm", frame(pandas)[["age", "pay"]], steps=1, progress=False, train__batch_size=8)
    assert model.sample(3, steps=1).x[:, 1].min() > 1000


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_packed_tables_are_read(pandas, tmp_path, ending):
    pytest.importorskip("pyarrow")
    path = tmp_path / f"t.{ending}"
    getattr(frame(pandas), f"to_{ending}")(path)
    assert gb.dataset(path).table.names == ("age", "pay")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="cannot be read as .") as error:
        gb.dataset(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["t.parquet", "T.PARQUET", "t.feather"])
def test_packed_tables_without_their_library_are_one_line(monkeypatch, tmp_path, name):
    def missing(module):
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr("gibbsian.core.optional.import_module", missing)
    (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"files need pyarrow: pip install 'gibbsian\[tables\]'"):
        gb.dataset(tmp_path / name)


class FakeSeries:
    """As much of a series as is read."""

    def __init__(self, values):
        self.values, self.dtype = values, np.asarray(values).dtype

    def to_numpy(self, dtype, na_value=None):
        return np.asarray(self.values, dtype)

    def isna(self):
        return FakeSeries(np.zeros(len(self.values), bool))

    def __iter__(self):
        return iter(self.values)


def test_what_looks_like_a_data_frame_is_one():
    class Frame:
        columns, dtypes = ("a", "b", "kind"), None

        class index:
            names = (None,)

        class iloc:
            def __class_getitem__(cls, key):
                return FakeSeries([A, B, WORDS][key[1]])

        def __len__(self):
            return 40

    data = gb.dataset(Frame())
    assert torch.equal(data.x, torch.tensor(X[:, :2], dtype=torch.float32)) and data.classes == ("cat", "dog")
