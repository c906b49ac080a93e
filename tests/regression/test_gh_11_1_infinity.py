"""A date of 'infinity' came in, and then `head`, `why`, `lf run` and `export` ended in a panic."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from datahub import Hub
from datahub.core.errors import SourceError

FAR = {
    "date": "date 'infinity'",
    "before": "date '-infinity'",
    "instant": "timestamp 'infinity'",
    "zoned": "timestamptz 'infinity'",
    "bc": "date '0044-03-15 (BC)'",
    "year 10000": "date '10000-01-01'",
    "in a list": "[date 'infinity']",
    "in a struct": "{'a': [{'b': timestamp 'infinity'}]}",
    "in a map": "map {'a': date 'infinity'}",
}


@pytest.mark.parametrize("what", FAR)
@pytest.mark.parametrize("in_place", [False, True])
def test_a_time_that_no_row_can_show_is_refused_at_import(
    tmp_path: Path, what: str, *, in_place: bool
) -> None:
    """With its column and row; nothing was committed."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    before = hub.store.commit_at("main")
    path = tmp_path / "rows.parquet"
    value = f"case when range = 3 then {FAR[what]} end"
    duckdb.sql(f"copy (select range as id, {value} as valid_to from range(20)) to '{path}'")

    with pytest.raises(
        SourceError, match=r"'valid_to' .* outside the years 1 to 9999 in row 4"
    ) as r:
        hub.import_rows(path, key="id", in_place=in_place, hard_link=in_place)

    assert "Write null there" in r.value.hint
    assert hub.store.commit_at("main") == before


def test_the_first_and_the_last_day_come_in(tmp_path: Path) -> None:
    """What the calendar has is kept, also in a zone that is not ahead of it."""
    hub = Hub.init(tmp_path / "project", dataset="x")[0]
    path = tmp_path / "rows.parquet"
    days = "date '0001-01-01' as first, timestamp '9999-12-31 23:59:59.999999' as last"
    duckdb.sql(f"copy (select 1 as id, {days}) to '{path}'")

    hub.import_rows(path, key="id")

    row = hub.head("x", table="rows").to_dicts()[0]
    assert (row["first"].isoformat(), row["last"].isoformat()) == (
        "0001-01-01",
        "9999-12-31T23:59:59.999999",
    )
