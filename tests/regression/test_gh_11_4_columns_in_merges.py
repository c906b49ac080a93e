"""A merge of columns reaches every part, and turns no value into another one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import InputError
from datahub.flow.dataset import parts
from datahub.flow.rows.source import Mode


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Six rows in parts of two, on main and on `work`."""
    monkeypatch.setattr(parts, "ROWS_PER_PART", 2)
    hub, _ = Hub.init(tmp_path, dataset="mail")
    take(hub, {"id": range(6), "a": [f"row {key}" for key in range(6)], "n": ["1"] * 6})
    hub.create_branch("work")
    return hub


def take(hub: Hub, columns: dict[str, object], *, mode: Mode = "replace") -> None:
    pl.DataFrame(columns).write_parquet(hub.settings.root / "came.parquet")
    hub.import_rows(hub.settings.root / "came.parquet", key="id", mode=mode)


def test_rows_of_one_side_get_the_columns_of_the_other(hub: Hub) -> None:
    """Also in parts that only one side has."""
    take(hub, {"id": range(100, 106), "a": ["new"] * 6, "n": ["2"] * 6}, mode="append")
    hub.switch("work")
    take(hub, {"id": range(6), "n": ["1"] * 6, "b": [True] * 6})

    hub.merge("work", into="main")

    rows = hub.scan(ref="main", table="rows").collect()
    assert rows.columns == ["id", "n", "b"]
    assert rows["id"].to_list() == [*range(6), *range(100, 106)]
    assert rows["b"].to_list() == [True] * 6 + [None] * 6


def test_a_column_that_changed_its_type_takes_no_value_that_it_cannot_hold(hub: Hub) -> None:
    """A number written 01 is not the number 1: nothing is merged, and the column is named."""
    take(hub, {"id": [100], "a": ["new"], "n": ["01"]}, mode="append")
    head = hub.store.commit_at("main")
    hub.switch("work")
    take(hub, {"id": range(6), "a": ["x"] * 6})
    take(hub, {"id": range(6), "a": ["x"] * 6, "n": [1] * 6})

    with pytest.raises(InputError, match="'n' is String on one side and Int64"):
        hub.merge("work", into="main")

    assert hub.store.commit_at("main") == head
