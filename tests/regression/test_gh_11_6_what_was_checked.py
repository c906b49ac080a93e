"""`fsck` said nothing when all was well, and `gate refusals` neither suite nor commit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import GATES, Datahub


@pytest.mark.parametrize(
    ("words", "said"),
    [(["fsck"], "every object was read"), (["fsck", "--quick"], "contents were not read")],
)
def test_fsck_says_what_it_checked(
    datahub: Datahub, project: Path, words: list[str], said: str
) -> None:
    assert datahub("tag", "create", "v1").code == 0

    ran = datahub(*words)

    assert (ran.code, ran.out) == (0, "")
    assert "1 branch and 1 tag" in ran.err
    assert said in ran.err


def test_refusals_name_the_suite_and_the_commit(datahub: Datahub, guarded: Path) -> None:
    kwargs = {"column": "text", "value_set": ["neither"]}
    check = {"type": "expect_column_values_to_be_in_set", "kwargs": kwargs}
    suite = {"name": "texts", "expectations": [check]}
    (guarded / "expectations" / "texts.json").write_text(json.dumps(suite))
    rules = GATES.replace("labels", "rows", 1).replace("labels.json", "texts.json")
    (guarded / "expectations" / "gates.toml").write_text(rules)
    for words in (["gate", "set", "--reason", "texts"], ["switch", "-c", "work"]):
        assert datahub(*words).code == 0
    (guarded / "notes.txt").write_text("a note")
    made = datahub("commit", "notes.txt", "-m", "note", "--json").json["id"]
    assert datahub("gate", "run", "work").code == 1

    [heading, line] = datahub("gate", "refusals").out.splitlines()

    assert heading.split("\t") == ["time", "source", "commit", "into", "suites", "reasons"]
    assert line.split("\t")[1:5] == ["work", made[:12], "main", "texts.json"]
