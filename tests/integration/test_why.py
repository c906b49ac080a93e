"""`datahub why`: one row's votes, models, people, verdicts, and the commits that made its label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.integration.conftest import LFS, Datahub, mail

PRIZE = "0"  # a row of spam on which several LFs vote


def changes(told: Any) -> list[dict[str, tuple[str | None, str | None]]]:
    """What each commit of a history changed: what -> (before, after), newest commit first."""
    return [{what: (old, new) for what, old, new in event["changed"]} for event in told["history"]]


def answered(datahub: Datahub, key: str, label: str) -> None:
    """One row asked and answered by a person, its answer pulled."""
    assert datahub("review", "push", "--budget", "40").code == 0
    Path("answers.csv").write_text(f"id,label\n{key},{label}\n")
    ran = datahub("review", "answer", "--csv", "answers.csv", "--annotator", "ann")
    assert ran.code == 0, ran.err
    assert datahub("review", "pull").code == 0


def test_votes_weights_and_both_models_are_told(datahub: Datahub, labeled: Path) -> None:
    """As the LFs in the folder vote on the row, with the file and line of each."""
    told = datahub("why", PRIZE, "--json").json

    votes = {vote["lf"]: vote["label"] for vote in told["votes"]}
    text = mail().row(int(PRIZE), named=True)["text"].lower()
    assert votes["offer"] == ("spam" if "winner" in text else None)
    assert votes["link"] == ("spam" if "http" in text else None)
    assert votes["thanks"] is None
    assert told["content"]["text"] == mail().row(int(PRIZE), named=True)["text"]
    assert told["label"]["label"] == told["soft"]["label"] == "spam"
    line = next(vote for vote in told["votes"] if vote["lf"] == "offer")
    assert line["where"] == "labeling_functions/first.py:6"
    assert 0 < line["weight"] < 1


def test_history_names_the_commits_that_made_the_label(datahub: Datahub, labeled: Path) -> None:
    """The import, the votes, the labels: each with what it changed about the row, no other."""
    told = datahub("why", PRIZE, "--json").json

    fit, votes, rows = changes(told)
    assert fit["label"] == (None, "spam")
    assert votes["vote of offer"] == (None, "1")
    assert rows["column text"][0] is None
    assert "label" not in votes
    messages = [event["message"].split()[0] for event in told["history"]]
    assert messages == ["Fit", "Label", "Import"]


def test_a_persons_answer_is_told_with_who_and_when(datahub: Datahub, labeled: Path) -> None:
    """And the label it changed, in the commit that took it."""
    answered(datahub, PRIZE, "ham")

    told = datahub("why", PRIZE, "--json").json

    (said,) = told["annotations"]
    assert (said["annotator"], said["label"], said["counts"]) == ("ann", "ham", True)
    assert told["label"]["source"] == "annotation"
    assert told["asked"][0]["queue"] == "embedded"
    assert changes(told)[0]["label"] == ("spam", "ham")
    assert "ann said ham" in datahub("why", PRIZE).out


def test_an_answer_to_what_the_row_was_does_not_count(datahub: Datahub, labeled: Path) -> None:
    """It is told, and said to be of the row as it was."""
    answered(datahub, PRIZE, "ham")
    changed = mail().with_columns(
        text=pl.when(pl.col("id") == int(PRIZE)).then(pl.lit("Now free")).otherwise("text")
    )
    changed.write_parquet("changed.parquet")
    ran = datahub("import", "changed.parquet", "--key", "id", "--gold", "kind", "--yes")
    assert ran.code == 0, ran.err

    told = datahub("why", PRIZE, "--json").json

    assert [said["counts"] for said in told["annotations"]] == [False]
    assert changes(told)[0]["column text"][1] == "Now free"


def test_an_edited_lf_shows_as_a_changed_vote(datahub: Datahub, labeled: Path) -> None:
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace('"winner", ', ""))
    text = LFS.replace('"winner", "prize", "free"', '"lottery"')
    (labeled / "labeling_functions" / "first.py").write_text(text)
    assert datahub("lf", "run").code == 0

    told = datahub("why", PRIZE, "--json").json

    assert changes(told)[0]["vote of offer"] == ("1", None)


def test_the_verdict_that_let_the_row_in_is_told(datahub: Datahub, labeled: Path) -> None:
    """On the branch that it landed on, by a commit of its own."""
    assert datahub("merge", "work", "--into", "main").code == 0

    told = datahub("why", PRIZE, "main", "--json").json

    landed = told["history"][0]
    assert landed["verdict"]["passed"]
    assert landed["message"].startswith("Merge work into main")
    assert landed["taken_from"] == told["history"][1]["commit"]
    assert changes(told)[:2] == [{}, changes(datahub("why", PRIZE, "work", "--json").json)[0]]
    assert "verdict passed, data" in datahub("why", PRIZE, "main").out


def test_a_fault_is_told_where_it_happened(datahub: Datahub, labeled: Path) -> None:
    """It is no vote, and no abstain."""
    broken = LFS + (
        "\n\n@labeling_function()\ndef broken(x):\n"
        f"    return 1 // 0 if x.id == {PRIZE} else ABSTAIN\n"
    )
    (labeled / "labeling_functions" / "first.py").write_text(broken)
    (labeled / "datahub.toml").write_text('dataset = "mail"\nmax_fault_share = 0.5\n')
    assert datahub("lf", "run").code == 0

    told = datahub("why", PRIZE, "--json").json

    vote = next(vote for vote in told["votes"] if vote["lf"] == "broken")
    assert vote["label"] is None
    assert "ZeroDivisionError" in vote["fault"]
    assert "first.py" in vote["fault"]


def test_history_can_be_cut(datahub: Datahub, labeled: Path) -> None:
    assert len(datahub("why", PRIZE, "-n", "1", "--json").json["history"]) == 1


def test_a_row_without_labels_says_what_makes_them(datahub: Datahub, project: Path) -> None:
    ran = datahub("why", PRIZE)

    assert ran.code == 0
    assert "datahub label fit" in ran.out


def test_keys_of_text_are_taken_as_they_are(datahub: Datahub, tmp_path: Path) -> None:
    """Also one of digits alone."""
    assert datahub("init", "--dataset", "mail").code == 0
    frame = mail().with_columns(pl.col("id").cast(pl.String)).drop("kind")
    frame.write_parquet("mail.parquet")
    datahub("import", "mail.parquet", "--key", "id", "--classes", "ham,spam")

    assert datahub("why", "10", "--json").json["key"] == "10"


@pytest.mark.parametrize("key", ["4711", "no such row", "-1"])
def test_a_row_that_is_not_there_is_not_found(datahub: Datahub, project: Path, key: str) -> None:
    ran = datahub("why", "--", key)

    assert ran.code == 5
    assert "row_not_found" in ran.err
