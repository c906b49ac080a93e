"""How right labels are is counted a part at a time, and comes to the same."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub.core.errors import NotFound
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.label.fit import Fitting, label_fit
from datahub.flow.label.score import score_labels
from datahub.flow.rows import source
from datahub.hub.registry import adapter
from tests.unit.test_lf_memory import lfs
from tests.unit.test_lf_reuse import Project
from tests.whole_tables import read_table

ROWS = 120


def labeled(folder: Path, *, gold: bool) -> Project:
    """Rows in many parts, every fifth without gold, and majority's labels."""
    made = Project(folder)
    texts = ("goal", "film", "neither")
    classes = ("ham", "spam", "spam", "ham", None)
    frame = pl.DataFrame(
        {
            "id": range(ROWS),
            "text": [texts[i % 3] for i in range(ROWS)],
            "kind": [classes[i % 5] for i in range(ROWS)],
        }
    )
    frame.write_parquet(folder / "mail.parquet")
    source.import_rows(
        folder / "mail.parquet",
        source.Import.begin(
            made.store,
            made.rows,
            made.step(),
            "mail",
            key="id",
            gold="kind" if gold else None,
            classes=("ham", "spam"),
            text=None,
        ),
    )
    made.run(lfs()[:2])
    majority = adapter("label_model", "majority")()
    step = made.step()
    fitting = Fitting(model=majority, majority=majority, end_model=None, seed=0)
    label_fit(At.begin(made.store, made.rows, step, "mail"), fitting, step)
    return made


def test_parts_add_up_to_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one join of both tables would count them."""
    monkeypatch.setattr(parts, "ROWS_PER_PART", 7)
    made = labeled(tmp_path, gold=True)
    at = At.of(made.store, made.rows, "main", "mail")
    assert len(at.dataset.parts) > 5

    found = score_labels(at)

    labels = read_table(made.store, made.rows, "main", "mail", "labels", made_by="label fit")
    gold = made.rows.read(at.files("gold")).select("id", gold="label")
    joined = labels.join(gold, on="id").drop_nulls("gold")
    told = joined.drop_nulls("label")
    whole = found.everything
    assert (whole.rows, whole.labeled) == (joined.height, told.height) == (96, 64)
    assert whole.right == told.filter(pl.col("label") == pl.col("gold")).height
    assert found.not_asked == whole  # nobody was asked
    assert found.accepted.rows == joined.filter(pl.col("status") == "accepted").height


def test_without_gold_there_is_no_score(tmp_path: Path) -> None:
    """And the hint says how to keep it."""
    made = labeled(tmp_path, gold=False)

    with pytest.raises(NotFound, match="no gold labels"):
        score_labels(At.of(made.store, made.rows, "main", "mail"))
