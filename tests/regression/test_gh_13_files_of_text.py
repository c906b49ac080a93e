"""Issue 13: JSONL comes in, CSV by any separator and encoding, gold by a map. No value changes."""

from __future__ import annotations

import gc
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub import Hub
from datahub.adapters.rows_polars import PolarsRows
from datahub.core.errors import InputError, SourceError
from tests.integration.conftest import Datahub

ROWS = PolarsRows()


def jsonl(path: Path, *lines: str | bytes) -> Path:
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return path


def read(path: Path, rows: PolarsRows = ROWS) -> list[dict[str, Any]]:
    """The rows; every way of reading gives the same ones."""
    frame = rows.read([path])
    assert rows.scan([path]).collect().equals(frame)
    assert pl.concat(rows.batches([path], size=1)).equals(frame)
    assert rows.schema([path]) == frame.schema
    return frame.to_dicts()


# JSON values of one type a column, with what lists and objects may hold.
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = {
    "whole": INTS,
    "number": FLOATS,
    "text": TEXTS,
    "yes": st.booleans(),
    "list": st.lists(st.one_of(st.none(), INTS)),
    "object": st.fixed_dictionaries({"a": TEXTS, "b": st.lists(FLOATS)}),
}
LINES = st.lists(
    st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, values in FIELDS.items()}),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30)
@given(LINES)
def test_values_of_jsonl_are_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]
) -> None:
    """Any text, every bit of a float, whole numbers of 64 bits, nulls, lists and objects."""
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"

    found = read(jsonl(path, *(json.dumps(line) for line in lines)))

    assert json.dumps(found, sort_keys=True) == json.dumps(lines, sort_keys=True)


@pytest.mark.parametrize(
    ("lines", "kind", "values"),
    [
        (['{"a": 1}', '{"a": 2.5}', '{"a": 2e3}'], pl.Float64(), [1.0, 2.5, 2000.0]),
        (['{"a": 18446744073709551615}'], pl.UInt64(), [2**64 - 1]),
        (["{}", '{"a": null}', '{"a": "x"}'], pl.String(), [None, None, "x"]),
        (['{"a": null}'], pl.Null(), [None]),
        (['{"a": []}', '{"a": [[1], null]}'], pl.List(pl.List(pl.Int64)), [[], [[1], None]]),
        (['{"a": [1, 0.5]}'], pl.List(pl.Float64), [[1.0, 0.5]]),
        (
            ['{"a": {"x": 1}}', '{"a": {"y": "b"}}'],
            pl.Struct({"x": pl.Int64, "y": pl.String}),
            [{"x": 1, "y": None}, {"x": None, "y": "b"}],
        ),
        ([b"\xef\xbb\xbf" + b'{"a": "1"}\r', "", '  {"a": "007"}'], pl.String(), ["1", "007"]),
        (['{"a": "x\\u2028y"}', '{"a": "x\u2028y"}'], pl.String(), ["x\u2028y"] * 2),
    ],
)
def test_types_are_those_of_all_lines(
    tmp_path: Path, lines: list[str], kind: pl.DataType, values: list[Any]
) -> None:
    """Fractions beside whole numbers, fields that come late, no value, signs that split lines."""
    path = jsonl(tmp_path / "rows.jsonl", *lines)

    assert [row["a"] for row in read(path)] == values
    assert ROWS.schema([path])["a"] == kind


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}', '{"a": "1"}'], "'a' of .* a whole number in line 1 and a text in line 2"),
        (['{"a": true}', '{"a": 1}'], "a boolean in line 1 and a whole number in line 2"),
        (['{"a": [1]}', '{"a": 1}'], "a list in line 1 and a whole number in line 2"),
        (['{"a": {"b": [1, "x"]}}'], r"'a\.b\[\]' of .* a whole number in line 1 and a text"),
        (['{"a": 18446744073709551616}'], "'a' of .* more than 64 bits"),
        (['{"a": -1}', '{"a": 9223372036854775808}'], "'a' of .* more than 64 bits"),
        (['{"a": 0.5}', '{"a": 9007199254740993}'], "'a' of .* would be rounded"),
        ([f'{{"a": {"9" * 5000}}}'], "Line 1 of .* cannot be read"),
        (['{"a": 1e999}'], "Line 1 of .* beyond the numbers that a float holds"),
        (['{"a": NaN}'], "Line 1 of .* NaN is no JSON"),
        (['{"a": 1}', '{"a": 1, "b": 2, "a": 3}'], "Line 2 of .* 'a' stands twice"),
        (['{"a": {}}'], "'a' of .* objects without a field"),
        (["{}"], "no object with a field"),
        (["[1]"], "Line 1 of .* it is no object"),
        (["{", '"a": 1}'], "Line 1 of .* no JSON"),
        (['{"a": "x"'], "Line 1 of .* no JSON"),
        (["[" * 100_000], "Line 1 of .* nested too deeply"),
        ([b'{"a": "caf\xe9"}'], "Line 1 of .* byte 0xe9 is not UTF-8"),
        (['{"a": "\\ud800"}'], "Line 1 of .* half of a sign"),
        ([json.dumps({"a": {str(n): n for n in range(1001)}})], "more than 1000 fields"),
    ],
)
def test_what_would_be_altered_is_refused_by_its_place(
    tmp_path: Path, lines: list[str | bytes], message: str
) -> None:
    """Never rounded, cut or cast in silence; and no traceback."""
    path = jsonl(tmp_path / "rows.jsonl", *lines)

    with pytest.raises(SourceError, match=message) as told:
        ROWS.read([path])

    assert told.value.hint


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    """And only these."""
    path = jsonl(tmp_path / "rows.ndjson", '{"a": 1, "b": 2}')

    assert ROWS.read([path], columns=["b", "a"]).row(0) == (2, 1)


@pytest.mark.parametrize(
    ("name", "separator", "encoding", "content"),
    [
        ("rows.csv", ";", "", 'id;text\n1;"a; b"\n2;é\n'.encode()),
        ("rows.csv", "tab", "", "id\ttext\n1\ta; b\n2\té\n".encode()),
        ("rows.tsv", "", "", "id\ttext\n1\ta; b\n2\té\n".encode()),
        ("rows.dat", "|", "", "id|text\n1|a; b\n2|é\n".encode()),
        ("rows.csv", "", "latin-1", "id,text\n1,a; b\n2,é\n".encode("latin-1")),
        ("rows.csv", "\\t", "utf-16", "id\ttext\r\n1\ta; b\r\n2\té\r\n".encode("utf-16")),
        ("rows.csv", ",", "utf-8-sig", "\ufeffid,text\n1,a; b\n2,é\n".encode()),
        (
            "rows.jsonl",
            "",
            "cp1252",
            '{"id": 1, "text": "a; b"}\n{"id": 2, "text": "é"}\n'.encode("cp1252"),
        ),
    ],
)
def test_texts_are_read_as_they_are_written(
    tmp_path: Path, name: str, separator: str, encoding: str, content: bytes
) -> None:
    """By any sign between values, in any encoding, under any name."""
    path = tmp_path / name
    path.write_bytes(content)

    rows = ROWS.reading_texts(separator=separator, encoding=encoding)

    expected = [{"id": 1, "text": "a; b"}, {"id": 2, "text": "é"}]
    assert read(path, rows) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";;"}, "';;' is no sign"),
        ({"separator": "é"}, "'é' is no sign"),
        ({"separator": '"'}, "is no sign"),
        ({"separator": "\n"}, "is no sign"),
        ({"encoding": "utf9"}, "no encoding 'utf9'"),
        ({"encoding": "base64"}, "'base64' is no encoding of text"),
        ({"encoding": "\0"}, "no encoding"),
    ],
)
def test_what_is_no_separator_or_encoding_is_refused(options: dict[str, str], message: str) -> None:
    """Before a file is looked at."""
    with pytest.raises(InputError, match=message):
        ROWS.reading_texts(**{"separator": "", "encoding": "", **options})


def test_a_file_in_another_encoding_than_named_is_refused(tmp_path: Path) -> None:
    """With the line before which all was well."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,text\n1,a\n2,\x81\n")

    with pytest.raises(SourceError, match="not in cp1252"):
        ROWS.reading_texts(separator="", encoding="cp1252").read([path])


def test_a_copy_in_utf8_goes_with_who_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left in the folder for temporary files."""
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    path = tmp_path / "rows.csv"
    path.write_bytes("text\né\n".encode("latin-1"))
    rows = ROWS.reading_texts(separator="", encoding="latin-1")
    assert rows.read([path]).item() == "é"
    assert len(list(copies.iterdir())) == 1

    del rows
    gc.collect()

    assert list(copies.iterdir()) == []


@pytest.mark.parametrize(("sign", "name"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_one_column_that_looks_like_several_is_no_dataset(
    tmp_path: Path, sign: str, name: str
) -> None:
    """A CSV of another separator; who means one column says so."""
    path = tmp_path / "rows.csv"
    path.write_text(f"id{sign}text\n1{sign}a\n")

    with pytest.raises(SourceError, match="looks like several") as told:
        ROWS.read([path])

    assert f"--separator '{name}'" in told.value.hint
    assert len(ROWS.reading_texts(separator=",", encoding="").schema([path])) == 1


def test_jsonl_goes_the_whole_way(datahub: Datahub, tmp_path: Path) -> None:
    """A folder of files, appended to, with nested values that labeling sees."""
    assert datahub("init", "--dataset", "mail").code == 0
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [{"id": n, "text": "win" if n % 2 else "see you", "tags": ["a"] * n} for n in range(4)]
    jsonl(folder / "a.jsonl", *(json.dumps(line) for line in lines[:2]))
    jsonl(folder / "b.ndjson", *(json.dumps(line) for line in lines[2:]))
    (folder / "notes.json").write_text("{}")

    ran = datahub("import", "in", "--key", "id", "--classes", "ham,spam", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["left_out"] == ["notes.json"]
    assert [row["tags"] for row in datahub("head", "--json").json] == [["a"] * n for n in range(4)]
    more = jsonl(tmp_path / "more.jsonl", '{"id": 9, "text": "win", "tags": null}')
    assert datahub("import", str(more), "--append").code == 0
    mixed = jsonl(tmp_path / "mixed.jsonl", '{"id": 10, "text": 7, "tags": []}')
    refused = datahub("import", str(mixed), "--append")
    assert (refused.code, "'text' was String and is Int64 now" in refused.err) == (2, True)
    in_place = datahub("import", str(more), "--in-place", "--key", "id")
    assert "cannot be taken in place" in in_place.err


GOLD = "id;text;good\n1;a;no\n2;b;yes\n3;c;?\n"


def test_gold_is_mapped_by_name_or_number(datahub: Datahub, tmp_path: Path) -> None:
    """`no=0` is the first class; an empty one is no gold."""
    (tmp_path / "rows.csv").write_text(GOLD)
    assert datahub("init", "--dataset", "mail").code == 0
    common = ["import", "rows.csv", "--separator", ";", "--key", "id", "--gold", "good"]
    maps = ["--gold-map", "no=0", "--gold-map", "yes=spam", "--gold-map", "?="]

    ran = datahub(*common, "--classes", "ham,spam", *maps)

    assert ran.code == 0, ran.err
    assert Hub.open(tmp_path).gold() == {1: "ham", 2: "spam", 3: None}
    assert datahub(*common, *maps).code == 0  # the dataset's own classes
    wrong = datahub(*common, *maps[:2], "--gold-map", "yes=spma")
    assert wrong.code != 0
    assert "'yes' is mapped to 'spma', which is no class" in wrong.err
    assert "Did you mean 'spam'?" in wrong.err
    assert "'2', which is no class" in datahub(*common, "--gold-map", "no=2").err
    assert "--gold-map ?=CLASS" in datahub(*common, *maps[:4]).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gold-map", "no"], "says no class of a value"),
        (["--gold-map", "no=0", "--gold-map", "no=1"], "a second one"),
    ],
)
def test_a_map_that_says_nothing_is_refused(
    datahub: Datahub, tmp_path: Path, words: list[str], message: str
) -> None:
    """Before anything is read."""
    assert datahub("init").code == 0

    ran = datahub("import", "none.csv", "--gold", "good", *words)

    assert message in ran.err


def test_a_map_without_a_column_of_gold_is_refused(tmp_path: Path) -> None:
    """It would do nothing, in silence."""
    hub, _ = Hub.init(tmp_path, dataset="mail")

    with pytest.raises(InputError, match="no column of gold"):
        hub.import_rows(tmp_path / "none.csv", gold_map={"no": 0})


def test_a_map_makes_the_classes_where_there_are_none(tmp_path: Path) -> None:
    """Names and None come from Python, too; a number of the gold column goes by its text."""
    hub, _ = Hub.init(tmp_path, dataset="mail")
    jsonl(tmp_path / "rows.jsonl", '{"id": 1, "g": 0}', '{"id": 2, "g": 1}', '{"id": 3, "g": 2}')

    hub.import_rows(
        tmp_path / "rows.jsonl", key="id", gold="g", gold_map={"0": "ham", "1": "spam", "2": None}
    )

    assert hub.dataset().classes == ("ham", "spam")
    assert hub.gold() == {1: "ham", 2: "spam", 3: None}
