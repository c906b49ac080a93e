"""A folder of Delta Lake, Iceberg or Hudi is refused: its files also hold deleted rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub.core.errors import SourceError
from tests.integration.conftest import Datahub
from tests.regression.imports import Imports

LOGS = {
    "Delta Lake": "_delta_log/00000000000000000000.json",
    "Iceberg": "metadata/v1.metadata.json",
    "Hudi": ".hoodie/hoodie.properties",
}


def put(folder: Path, log: str) -> Path:
    """A folder with a file of rows below a log."""
    (folder / log).parent.mkdir(parents=True)
    (folder / log).write_text("{}")
    (folder / "day=1").mkdir()
    pl.DataFrame({"id": [1]}).write_parquet(folder / "day=1" / "a.parquet")
    return folder


@pytest.mark.parametrize(("kind", "log"), LOGS.items())
@pytest.mark.parametrize("inside", ["", "day=1"])
def test_the_error_names_the_log(tmp_path: Path, kind: str, log: str, inside: str) -> None:
    """Of the whole table, and of a partition in it."""
    table = put(tmp_path / "table", log)

    with pytest.raises(SourceError, match=f"{table} is a table of {kind}") as refused:
        Imports(tmp_path / "store").take(table / inside)

    assert f"by {log.split('/')[0]}/" in refused.value.message
    assert "Parquet file" in refused.value.hint


def test_it_is_refused_among_other_folders(tmp_path: Path, datahub: Datahub) -> None:
    """By the command line too, with exit code 2."""
    put(tmp_path / "all" / "table", LOGS["Delta Lake"])
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "all" / "b.parquet")
    assert datahub("init", "--dataset", "mail").code == 0

    ran = datahub("import", "all", "--key", "id")

    assert ran.code == 2
    assert "_delta_log" in ran.err


def test_a_folder_named_metadata_alone_is_no_table(tmp_path: Path) -> None:
    """Nor is a file of one of the names: its rows come in."""
    folder = tmp_path / "rows"
    (folder / "metadata").mkdir(parents=True)
    pl.DataFrame({"id": [1]}).write_parquet(folder / "metadata" / "a.parquet")
    (folder / "_delta_log").touch()

    made = Imports(tmp_path / "store").take(folder)

    assert made.dataset.rows == 1
