"""Bad input gets a clear error with a hint and its exit code, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from tests.integration.conftest import GATES, LFS, SUITE, Datahub, mail


def heads(datahub: Datahub) -> object:
    return datahub("branch", "list", "--json").json


def refused(datahub: Datahub, *words: str, code: int, says: str) -> str:
    """Run; the exit code, one error line and one hint are there, and no branch moved."""
    before = heads(datahub)
    ran = datahub(*words)
    assert ran.code == code, ran.err
    assert says in ran.err
    assert ran.err.startswith("error[")
    assert "hint: " in ran.err
    assert heads(datahub) == before
    return ran.err


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (mail().with_columns(id=pl.lit(1)), "keys in 'id' are on several rows"),
        (mail().with_columns(id=pl.when(pl.col("id") > 3).then("id")), "have no 'id'"),
        (mail().drop("id"), "no column 'id'"),
        (mail().with_columns(id=pl.col("id").cast(pl.Float64)), "a key is text or whole numbers"),
        (mail().head(0), "no rows"),
        (mail().rename({"text": "*"}), "named '*'"),
        (mail().rename({"text": "^te.t$"}), "named '^te.t$'"),
        (mail().rename({"kind": "sort"}), "no column 'kind'"),
    ],
    ids=["duplicate", "null", "absent", "float", "empty", "star", "pattern", "no gold"],
)
def test_rows_that_cannot_be_keyed_are_refused(
    datahub: Datahub, project: Path, frame: pl.DataFrame, says: str
) -> None:
    """The error names the column and the first offenders."""
    frame.write_parquet("bad.parquet")

    refused(
        datahub,
        "import",
        "bad.parquet",
        "-d",
        "other",
        "--key",
        "id",
        "--gold",
        "kind",
        code=2,
        says=says,
    )


@pytest.mark.parametrize("name", ["bad.parquet", "bad.orc", "bad.csv", "bad.txt"])
@pytest.mark.parametrize("content", [b"", b"PAR1 not really PAR1", b"ORC not really"])
def test_a_file_that_is_not_what_it_claims_is_refused(
    datahub: Datahub, project: Path, name: str, content: bytes
) -> None:
    """Empty, corrupt and unknown files are named."""
    if name.endswith(".csv") and content:
        content = b'id,b\n"unclosed'
    Path(name).write_bytes(content)

    refused(datahub, "import", name, "-d", "other", "--key", "id", code=2, says="bad.")


def test_a_file_cut_short_is_refused(datahub: Datahub, project: Path) -> None:
    """A download that broke off is no dataset."""
    whole = Path("mail.parquet").read_bytes()
    Path("cut.parquet").write_bytes(whole[: len(whole) // 2])

    refused(datahub, "import", "cut.parquet", "-d", "other", code=2, says="cut.parquet")


def test_a_column_that_changed_type_is_refused(datahub: Datahub, project: Path) -> None:
    """The error names both types."""
    mail().with_columns(text=pl.col("id")).write_parquet("typed.parquet")

    said = refused(
        datahub, "import", "typed.parquet", "--gold", "kind", code=2, says="'text' was String"
    )

    assert "Int64" in said


def test_an_lf_that_raises_too_often_stops_the_run(datahub: Datahub, project: Path) -> None:
    """LF, key, file and line are named; under the tolerated share it is counted instead."""
    broken = LFS + "\n\n@labeling_function()\ndef broken(x):\n    return 1 // len(x.missing)\n"
    (project / "labeling_functions" / "first.py").write_text(broken)

    said = refused(datahub, "lf", "run", code=2, says="'broken' raised on 42 of 42 rows")

    assert "AttributeError" in said
    assert "first.py:" in said


def test_an_lf_that_raises_seldom_is_counted_apart(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row has no vote of it, the fault is listed with key and line."""
    monkeypatch.setenv("DATAHUB_MAX_FAULT_SHARE", "0.05")
    seldom = LFS + "\n\n@labeling_function()\ndef seldom(x):\n    return 1 // (x.id - 7) * 0\n"
    (project / "labeling_functions" / "first.py").write_text(seldom)

    report = datahub("lf", "run", "--json").json

    assert report["fault_counts"][-1] == 1
    (fault,) = report["faults"]
    assert (fault["lf"], fault["key"]) == ("seldom", 7)
    assert "ZeroDivisionError" in fault["error"]


def test_an_lf_that_returns_what_is_no_class_stops_the_run(datahub: Datahub, project: Path) -> None:
    """Seven where there are two classes."""
    seven = LFS + "\n\n@labeling_function()\ndef seven(x):\n    return 7\n"
    (project / "labeling_functions" / "first.py").write_text(seven)

    refused(datahub, "lf", "run", code=2, says="'seven' returned 7 on row 0; there are 2 classes")


def test_an_lf_file_that_does_not_import_is_named(datahub: Datahub, project: Path) -> None:
    """With its line."""
    (project / "labeling_functions" / "second.py").write_text("x = (\n")

    refused(datahub, "lf", "run", code=2, says="second.py")


def labels_suite(expectation: Mapping[str, object]) -> str:
    return json.dumps({"name": "labels", "expectations": [expectation]})


def test_a_suite_that_names_a_missing_column_could_not_run(datahub: Datahub, labeled: Path) -> None:
    """Could not run is neither passed nor refused: exit 7, and nothing lands."""
    wrong = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "colour"}}
    (labeled / "expectations" / "labels.json").write_text(labels_suite(wrong))
    assert datahub("gate", "set", "--reason", "colour matters").code == 0

    refused(datahub, "gate", "run", "work", code=7, says="colour")
    refused(datahub, "merge", "work", "--into", "main", code=7, says="colour")


def test_a_gate_with_no_suite_cannot_be_set(datahub: Datahub, project: Path) -> None:
    """What is bound must be there."""
    (project / "expectations" / "gates.toml").write_text(GATES)
    (project / "expectations" / "labels.json").unlink()

    refused(datahub, "gate", "set", "--reason", "x", code=5, says="not committed beside it")


@pytest.mark.parametrize("suite", ["{", "{}", '{"name": "labels", "expectations": []}'])
def test_a_suite_that_cannot_be_read_cannot_be_set(
    datahub: Datahub, project: Path, suite: str
) -> None:
    """A gate without checks would let everything through."""
    (project / "expectations" / "gates.toml").write_text(GATES)
    (project / "expectations" / "labels.json").write_text(suite)

    refused(datahub, "gate", "set", "--reason", "x", code=7, says="gate_could_not_run")


def test_rules_changed_without_a_reason_are_refused(datahub: Datahub, project: Path) -> None:
    """A reason is owed."""
    (project / "expectations" / "gates.toml").write_text(GATES)

    refused(datahub, "gate", "set", "--reason", " ", code=2, says="reason")


def test_rules_changed_together_with_data_are_refused(datahub: Datahub, labeled: Path) -> None:
    """A branch does not bring its own judge."""
    softer = {"type": "expect_column_to_exist", "kwargs": {"column": "label"}}
    (labeled / "expectations" / "labels.json").write_text(labels_suite(softer))
    assert datahub("commit", "expectations/labels.json", "-m", "Soften the gate").code == 0

    refused(datahub, "merge", "work", "--into", "main", code=3, says="together with its data")
    refused(datahub, "gate", "run", "work", code=3, says="together with its data")


def test_a_broken_suite_can_be_repaired(datahub: Datahub, labeled: Path) -> None:
    """Rules change by a merge of their own, so a gate that cannot run is no dead end."""
    wrong = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "colour"}}
    (labeled / "expectations" / "labels.json").write_text(labels_suite(wrong))
    datahub("gate", "set", "--reason", "wrong")
    (labeled / "expectations" / "labels.json").write_text(json.dumps(SUITE))

    assert datahub("gate", "set", "--reason", "there is no colour").code == 0

    merged = datahub("merge", "work", "--into", "main")
    assert merged.code == 0, merged.err
    verdict = datahub("show", "main~1", "--json").json["verdict"]
    assert (verdict["kind"], verdict["reason"]) == ("rules", "there is no colour")


@pytest.mark.parametrize(
    "words",
    [
        ["commit", "labeling_functions", "-m", "Quick fix"],
        ["lf", "run"],
        ["import", "mail.parquet", "--gold", "kind"],
    ],
    ids=["commit", "lf run", "import"],
)
def test_a_guarded_branch_takes_no_direct_commit(
    datahub: Datahub, guarded: Path, words: list[str]
) -> None:
    """Whatever the step, and the hint says how to go about it."""
    said = refused(datahub, *words, code=3, says="guarded")

    assert "branch create" in said


def test_an_answer_outside_the_classes_is_refused_whole(datahub: Datahub, labeled: Path) -> None:
    """One bad line in a file, and no line of it is recorded."""
    datahub("review", "push", "--budget", "2")
    first, second = datahub("review", "answer", "--list", "--json").json
    Path("answers.csv").write_text(f"id,label\n{first['key']},ham\n{second['key']},eggs\n")

    said = refused(datahub, "review", "answer", "--csv", "answers.csv", code=2, says="'eggs'")

    assert "ham, spam" in said
    assert len(datahub("review", "answer", "--list", "--json").json) == 2


def test_an_answer_to_a_row_nobody_asked_about_is_refused(datahub: Datahub, labeled: Path) -> None:
    """The hint says which rows wait."""
    datahub("review", "push", "--budget", "1")
    Path("answers.csv").write_text("id,label\n999,ham\n")

    refused(datahub, "review", "answer", "--csv", "answers.csv", code=2, says="999")


def test_an_empty_answer_is_a_skip_and_changes_no_label(datahub: Datahub, labeled: Path) -> None:
    """Nothing said is recorded as nothing said."""
    datahub("review", "push", "--budget", "1")
    (task,) = datahub("review", "answer", "--list", "--json").json
    Path("answers.csv").write_text(f"id,label\n{task['key']},\n")
    datahub("review", "answer", "--csv", "answers.csv")

    pulled = datahub("review", "pull", "--json").json

    assert (pulled["annotations"], pulled["changed"]) == (1, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["switch", "nowhere"],
        ["merge", "nowhere", "--into", "main"],
        ["merge", "main", "--into", "nowhere"],
        ["log", "nowhere"],
        ["show", "nowhere"],
        ["diff", "main", "nowhere"],
        ["lf", "run", "-b", "nowhere"],
        ["branch", "delete", "nowhere"],
        ["branch", "create", "x", "--from", "nowhere"],
        ["export", "x.parquet", "--ref", "nowhere"],
        ["gate", "run", "nowhere"],
        ["gate", "set", "--reason", "x", "--into", "nowhere"],
    ],
    ids=" ".join,
)
def test_a_branch_that_does_not_exist_is_named(
    datahub: Datahub, project: Path, words: list[str]
) -> None:
    """Not found is exit 5, everywhere."""
    refused(datahub, *words, code=5, says="'nowhere'")


def test_a_step_out_of_order_says_which_comes_first(datahub: Datahub, project: Path) -> None:
    """Labels need votes, reviews need labels."""
    refused(datahub, "label", "fit", code=5, says="No LF has voted")
    refused(datahub, "review", "push", code=5, says="no labels")
    refused(datahub, "lf", "run", "-d", "other", code=5, says="'other'")
    refused(datahub, "gate", "run", "main", code=7, says="no gate")
    refused(datahub, "gate", "run", "main", "--ungated", code=3, says="nothing to merge")


def test_settings_that_cannot_be_are_refused(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file and from the environment, by name."""
    monkeypatch.setenv("DATAHUB_QUEUE", "pigeon")
    assert "pigeon" in datahub("status").err
    monkeypatch.delenv("DATAHUB_QUEUE")
    (project / "datahub.toml").write_text("colour = 3\n")

    ran = datahub("status")

    assert ran.code == 2
    assert "'colour'" in ran.err


def test_outside_a_project_the_hint_is_init(datahub: Datahub, tmp_path: Path) -> None:
    """The first thing a new user may do wrong."""
    ran = datahub("status")

    assert ran.code == 2
    assert "datahub init" in ran.err


def test_an_error_under_json_is_json(datahub: Datahub, project: Path) -> None:
    """Machines read the code, stdout stays empty."""
    ran = datahub("switch", "nowhere", "--json")

    assert ran.out == ""
    assert json.loads(ran.err)["error"]["code"] == "branch_not_found"
