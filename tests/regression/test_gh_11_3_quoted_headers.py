"""Names of columns come as they are: quotes in a CSV's header, and a name that we used inside."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from tests.integration.conftest import Datahub

HEADER = ['"', 'a"b', '"id"', "a,b", "a\nb", " s ", "=1", "", "n"]


@pytest.mark.parametrize("key", ['"', 'a"b', '"id"', " s ", ""])
def test_names_in_a_csv_are_what_was_written(datahub: Datahub, tmp_path: Path, key: str) -> None:
    """Doubled quotes of a header stayed doubled: the columns had names that nobody gave them."""
    rows = [[f'{name}"{number}' for name in HEADER[:-1]] + [str(number)] for number in range(3)]
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    datahub("init", "--dataset", "mail")

    ran = datahub("import", "rows.csv", "--key", key)

    assert ran.code == 0, ran.err
    for name in ("out.parquet", "out.csv"):
        assert datahub("export", name, "--table", "rows").code == 0
    assert pl.read_parquet("out.parquet").columns == HEADER
    assert sorted(pl.read_parquet("out.parquet").cast(pl.String).rows()) == sorted(map(tuple, rows))
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        header, *out = csv.reader(file)
    assert (header, sorted(out)) == (HEADER, sorted(rows))


def test_an_upsert_keeps_a_column_of_any_name(datahub: Datahub, tmp_path: Path) -> None:
    """Rows were grouped by a column `_place` of our own, and the user's was dropped with it."""

    def take(ids: list[int], word: str, *words: str) -> None:
        places = [f"{word} {number}" for number in ids]
        pl.DataFrame({"id": ids, "_place": places, "text": places}).write_parquet("rows.parquet")
        ran = datahub("import", "rows.parquet", "--key", "id", *words)
        assert ran.code == 0, ran.err

    datahub("init", "--dataset", "mail")
    take([1, 2, 3], "old", "--classes", "ham,spam")
    take([2, 4], "new", "--upsert")
    datahub("export", "out.parquet", "--table", "rows")

    rows = pl.read_parquet("out.parquet")
    assert rows["_place"].to_list() == ["old 1", "new 2", "old 3", "new 4"]
    assert rows["text"].to_list() == rows["_place"].to_list()
