"""An import that leaves no row its label said nothing of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.integration.conftest import Datahub, mail


def test_an_import_says_that_every_label_left(datahub: Datahub, labeled: Path) -> None:
    mail().with_columns(source=pl.lit("inbox")).write_parquet(labeled / "wider.parquet")

    ran = datahub("import", "wider.parquet", "--upsert", "--gold", "kind")

    assert ran.code == 0, ran.err
    assert "labels: 0 rows keep theirs, 42 have none yet" in ran.out
