"""A column whose name is empty keeps its values through a merge of rows.

polars gives a Series without a name the name `column_1` where a frame is made of a list of Series:
a merge then moved such a column's values there, and left nulls, at exit 0.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.integration.conftest import Datahub

ROWS = pl.DataFrame({"id": ["a", "b", "c"], "": ["1", "2", "3"], "n": [1, 2, 3]})


@pytest.mark.parametrize("came", [["d"], []], ids=["in other parts", "in step"])
def test_a_merge_keeps_a_column_without_a_name(
    datahub: Datahub, tmp_path: Path, came: list[str]
) -> None:
    """Whether rows came or only changed: both sides' values stand in their column."""

    def take(frame: pl.DataFrame, *words: str) -> None:
        frame.write_parquet(tmp_path / "rows.parquet")
        ran = datahub("import", "rows.parquet", "--key", "id", *words)
        assert ran.code == 0, ran.err

    def changed(key: str, **values: object) -> pl.DataFrame:
        row = (
            ROWS.filter(id=key)
            .with_columns(**{k: pl.lit(v) for k, v in values.items()})
            .cast(ROWS.schema)
        )
        return pl.concat([row, *(row.with_columns(id=pl.lit(other)) for other in came)])

    assert datahub("init", "--dataset", "rows").code == 0
    take(ROWS, "--classes", "ham,spam")
    assert datahub("branch", "create", "two").code == 0
    take(changed("a", **{"": "ours"}).filter(id="a"), "--upsert")
    assert datahub("switch", "two").code == 0
    take(changed("a", n=9), "--upsert")
    take(changed("b", **{"": "theirs"}).filter(id="b"), "--upsert")
    assert datahub("switch", "main").code == 0

    merged = datahub("merge", "two")

    assert merged.code == 0, merged.err
    assert datahub("export", "out.parquet", "--table", "rows").code == 0
    rows = {row["id"]: row for row in pl.read_parquet(tmp_path / "out.parquet").to_dicts()}
    assert rows["a"] == {"id": "a", "": "ours", "n": 9}
    assert rows["b"] == {"id": "b", "": "theirs", "n": 2}
    assert rows["c"] == {"id": "c", "": "3", "n": 3}
