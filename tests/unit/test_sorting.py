"""Rows into the order of their key, by runs on disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.errors import SourceError
from datahub.flow.rows import sorting
from datahub.flow.rows.sorting import Sorter
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore

ROWS: Rows = adapter("rows", "polars")()


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Every frame is a run, and three runs make a longer one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "RUN_BYTES", 1)
        patch.setattr(sorting, "MOST_RUNS", 3)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> VersionStore:
    folder = tmp_path_factory.mktemp("store")
    made: VersionStore = adapter("version_store", "embedded").create(
        ObjectFiles(folder), branch="main", author="ann", time=datetime(2026, 1, 1, tzinfo=UTC)
    )
    return made


def laid_aside(store: VersionStore) -> list[Path]:
    """What lies in the scratch folder."""
    return list(store.stage("").parent.iterdir())


def keyed(keys: list[int]) -> pl.DataFrame:
    """Rows with these keys."""
    return pl.DataFrame({"id": pl.Series(keys, dtype=pl.Int64), "text": list(map(str, keys))})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), max_size=12))
def test_runs_merged_in_levels_are_all_rows_in_order(
    store: VersionStore, runs: list[list[int]]
) -> None:
    """Every row once, also where a key stands in several runs; nothing is left in scratch."""
    with Sorter(store, ROWS, by=["id"]) as sorter:
        for keys in runs:
            sorter.add(keyed(keys))
        found = [key for frame in sorter.frames() for key in frame["id"]]

    assert found == sorted(key for keys in runs for key in keys)
    assert laid_aside(store) == []


def test_a_hundred_runs_leave_few_files_to_read_at_once(store: VersionStore) -> None:
    """At most two of each length: 3 ** 5 > 100, so five lengths."""
    with Sorter(store, ROWS, by=["id"]) as sorter:
        most = 0
        for number in range(100):
            sorter.add(keyed([number * 7 % 100]))
            most = max(most, len(laid_aside(store)))
        found = pl.concat(sorter.frames())

    assert most <= 2 * 5
    assert found["id"].to_list() == list(range(100))


def test_a_run_that_was_damaged_on_disk_is_an_error_and_leaves_nothing(
    store: VersionStore,
) -> None:
    """Not a merge of what could still be read."""
    with Sorter(store, ROWS, by=["id"]) as sorter:
        sorter.add(keyed([1]))
        sorter.add(keyed([2]))
        path = laid_aside(store)[0]
        path.write_bytes(path.read_bytes()[:40])

        with pytest.raises(SourceError, match="cannot be read"):
            sorter.add(keyed([3]))

    assert laid_aside(store) == []
