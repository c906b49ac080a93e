"""Text keys that name a column: rows come over labels, and branches of labels merge.

A bare string in `is_between` names a column, so `--append` and `--upsert` into labeled rows, and a
merge of labels, ended in a bug wherever keys were texts.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile_names import walk
from tests.integration.conftest import Datahub, mail

KEYS = (
    "*",
    "^.*$",
    "label",
    "",
    "id",
    "\U0001f642",
    "text",
    "-x",
    "a\nb",
    "status",
    "None",
    "é",
    "1",
)


@pytest.mark.slow
def test_the_whole_path_goes_with_keys_that_name_columns(datahub: Datahub, tmp_path: Path) -> None:
    """Append, upsert, review, a merge with a conflict, a gate: rows are what they should be.

    An upsert grouped rows by a column `_place` of its own, and dropped the user's.
    """
    rows, wanted = walk(datahub, tmp_path, key="id", keys=KEYS, text="text", more=["_place"])

    assert rows == wanted


@pytest.mark.slow
def test_answers_are_taken_where_no_column_is_for_an_end_model(
    datahub: Datahub, tmp_path: Path
) -> None:
    """Two columns of text, none of them named as the text: a pull with answers ended in a bug.

    Keywords over a column with an empty name ended in one, too.
    """
    more = ["label", "gold", "^body", "a$", "__found in Python"]
    rows, wanted = walk(datahub, tmp_path, key="the key", keys=KEYS, text="", more=more)

    assert rows == wanted


def test_a_column_may_have_a_very_long_name(datahub: Datahub, tmp_path: Path) -> None:
    """An LF that reads it was told as one that sent an invalid answer."""
    name = "x" * 5000
    assert datahub("init", "--dataset", "mail").code == 0
    frame = mail().rename({"text": name}).select("id", name, "kind")
    frame.write_parquet(tmp_path / "mail.parquet")
    lf = f"from datahub import keywords\nfree = keywords('free', ['free'], 1, column={name!r})\n"
    (tmp_path / "labeling_functions" / "first.py").write_text(lf)
    assert datahub("import", "mail.parquet", "--key", "id", "--gold", "kind").code == 0

    ran = datahub("lf", "run")

    assert ran.code == 0, ran.err
