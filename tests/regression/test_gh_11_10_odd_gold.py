"""Gold of every type: taken in a form that is stated, or refused by the name of its column."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.integration.conftest import Datahub
from tests.regression.imports import Imports


@pytest.mark.parametrize(
    ("values", "kind", "names"),
    [
        (["ham", "spam", None], pl.String, ["ham", "spam", None]),
        (["ham", "spam", None], pl.Categorical, ["ham", "spam", None]),
        (["ham", "spam", None], pl.Enum(["spam", "ham"]), ["ham", "spam", None]),
        ([0, 1, None], pl.Int8, ["0", "1", None]),
        ([0, 2**64 - 1, None], pl.UInt64, ["0", "18446744073709551615", None]),
        ([0.0, 1.5, None], pl.Float64, ["0.0", "1.5", None]),
        ([True, False, None], pl.Boolean, ["true", "false", None]),
        ([Decimal("1.50"), Decimal("-2.00"), None], pl.Decimal(9, 2), ["1.50", "-2.00", None]),
        (
            [dt.date(2024, 1, 31), dt.date(1, 1, 1), None],
            pl.Date,
            ["2024-01-31", "0001-01-01", None],
        ),
        ([b"ham", "späm".encode(), None], pl.Binary, ["ham", "späm", None]),
    ],
)
def test_what_names_a_class_is_taken_as_text(
    tmp_path: Path, values: list[Any], kind: Any, names: list[str | None]
) -> None:
    """The names are the classes, in order."""
    frame = pl.DataFrame({"id": [1, 2, 3], "kind": pl.Series(values, dtype=kind)})
    frame.write_parquet(tmp_path / "rows.parquet")
    here = Imports(tmp_path / "here")

    made = here.take(tmp_path / "rows.parquet", gold="kind")

    assert here.table(table="gold")["label"].to_list() == names
    assert made.dataset.classes == tuple(sorted(name for name in names if name is not None))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([["ham"], ["spam"]], pl.List(pl.String)),
        ([["ham"], ["spam"]], pl.Array(pl.String, 1)),
        ([{"a": "ham"}, {"a": "spam"}], pl.Struct({"a": pl.String})),
        ([b"\xff", b"\xfe"], pl.Binary),
        ([dt.datetime(2024, 1, 1), None], pl.Datetime("us")),
        ([dt.time(1), None], pl.Time),
        ([dt.timedelta(1), None], pl.Duration("us")),
        ([float("nan"), 1.0], pl.Float64),
        ([float("inf"), 1.0], pl.Float32),
        ([[[]], None], pl.List(pl.List(pl.Null))),
    ],
)
def test_what_names_none_is_refused_by_the_name_of_its_column(
    datahub: Datahub, tmp_path: Path, values: list[Any], kind: Any
) -> None:
    """Bad input, with what to do; nothing is imported."""
    frame = pl.DataFrame({"id": [1, 2], "text": ["a", "b"], "kind": pl.Series(values, dtype=kind)})
    frame.write_parquet(tmp_path / "rows.parquet")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "rows.parquet", "--key", "id", "--gold", "kind")

    assert ran.code == 2
    assert "'kind'" in ran.err
    assert "hint:" in ran.err
    assert datahub("head", "--table", "rows").code == 5


def test_gold_that_is_null_throughout_names_no_class(tmp_path: Path) -> None:
    """It may come with later rows."""
    here = Imports(tmp_path / "here")
    pl.DataFrame({"id": [1], "kind": [None]}).write_parquet(tmp_path / "monday.parquet")
    pl.DataFrame({"id": [2, 3], "kind": ["ham", "spam"]}).write_parquet(tmp_path / "b.parquet")

    here.take(tmp_path / "monday.parquet", gold="kind")
    here.take(tmp_path / "b.parquet", gold="kind", mode="append")

    assert here.table(table="gold")["label"].to_list() == [None, "ham", "spam"]
    assert here.known().classes == ("ham", "spam")


def test_a_name_with_a_blank_at_its_end_is_no_class(datahub: Datahub, tmp_path: Path) -> None:
    """Class names have none: such a gold label would never be right."""
    frame = pl.DataFrame({"id": [1, 2], "text": ["a", "b"], "kind": ["ham", "spam "]})
    frame.write_parquet(tmp_path / "rows.parquet")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "rows.parquet", "--key", "id", "--gold", "kind")

    assert ran.code == 2
    assert "'spam '" in ran.err
