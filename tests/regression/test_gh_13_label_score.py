"""Issue 13: `label score` says what is right by class, and what is taken for what."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from datahub import Hub
from datahub.cli.label import print_score
from datahub.core.errors import NotFound
from datahub.core.scoring import Judged, judge
from datahub.core.trust import interval
from datahub.flow.label.score import Score
from tests.integration.conftest import Datahub, mail

CLASSES = ["a", "b", "c"]


def judged(truth: list[str], labels: list[str | None]) -> Judged:
    return judge(Counter(zip(truth, labels, strict=True)), CLASSES)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from([*CLASSES, None]))))
def test_precision_and_recall_are_those_of_scikit_learn(
    rows: list[tuple[str, str | None]],
) -> None:
    """A row without a label is one that its class missed."""
    truth, labels = [row[0] for row in rows], [row[1] for row in rows]

    found = judged(truth, labels)

    if rows:
        precision, recall, _, support = precision_recall_fscore_support(
            truth, [label or "none" for label in labels], labels=CLASSES, zero_division=np.nan
        )
        ours = [
            (
                np.nan if c.precision is None else c.precision,
                np.nan if c.recall is None else c.recall,
            )
            for c in found.classes
        ]
        np.testing.assert_allclose(ours, np.column_stack([precision, recall]))
        assert [c.rows for c in found.classes] == support.tolist()
    assert sum(pair.rows for pair in found.confusion) == len(rows)
    assert found.interval == interval(found.everything.right, found.everything.labeled)


def test_a_name_that_is_no_class_any_more_is_counted_too() -> None:
    """Gold of an earlier list of classes is not left out in silence."""
    found = judged(["old", "a"], ["a", "a"])

    assert [(c.name, c.rows, c.labeled) for c in found.classes][-1] == ("old", 1, 0)


@pytest.fixture
def scored(datahub: Datahub, labeled: Path) -> Path:
    """Labels of LFs of which one is careless, and every task answered by gold."""
    assert datahub("review", "push", "--budget", "20").code == 0
    hub = Hub.open(labeled)
    gold = hub.gold()
    answers = [(task_id, gold[task.key]) for task_id, task in hub.review_open()]
    hub.review_answer(answers, annotator="ann")
    hub.review_pull()
    hub.close()
    return labeled


def test_labels_are_scored_by_class_and_by_audit(datahub: Datahub, scored: Path) -> None:
    """Gold judges all rows, the audit what the models say of its own."""
    found = datahub("label", "score", "--json").json
    talk = datahub("label", "score").out

    frame = mail()
    assert [(c["name"], c["rows"]) for c in found["gold"]["classes"]] == [("ham", 24), ("spam", 18)]
    assert found["gold"]["everything"] == found["everything"]
    true = found["gold_trust"]
    assert true["rows"] <= found["not_asked"]["labeled"]
    assert 0 <= abs(true["trust"] - true["right"]) <= true["error"] + 1e-9
    assert found["audit_trust"] is None  # four rows tell nothing
    assert f"calibration error {true['error']:.2f}" in talk
    assert sum(pair["rows"] for pair in found["gold"]["confusion"]) == frame.height
    hub = Hub.open(scored)
    report, labels = hub.review_report(), hub.scan(table="soft_labels").collect()
    assert found["audit"]["everything"]["rows"] == report.answered > 0
    wrong = report.accepted.wrong + report.doubted.wrong
    audited = found["audit"]["everything"]
    assert audited["labeled"] - audited["right"] == wrong
    assert labels.height == frame.height
    low, high = found["audit"]["interval"]
    assert 0 <= low <= high <= 1
    assert "audited rows, whose labels are the models' own" in talk
    assert talk.index("By 42 gold rows") < talk.index("precision")


def test_an_audit_alone_is_a_score(datahub: Datahub, scored: Path) -> None:
    """Without gold, what people said of random rows judges; without either there is a way out."""
    mail().drop("kind").write_parquet(scored / "bare.parquet")
    hub = Hub.open(scored)
    gold = hub.gold()
    hub.switch("bare", create=True)
    bare = Hub.open(scored)
    bare.import_rows(scored / "bare.parquet", key="id", classes=["ham", "spam"], dataset="bare")
    bare.lf_run("bare")
    bare.label_fit("bare")

    with pytest.raises(NotFound, match="no gold labels") as told:
        bare.score("bare")
    assert "review push" in told.value.hint
    bare.review_push("bare", budget=20)
    answers = [(task_id, gold[task.key]) for task_id, task in bare.review_open("bare")]
    bare.review_answer(answers, annotator="ann", dataset="bare")
    bare.review_pull("bare")

    found = bare.score("bare")

    assert found.gold is None
    assert found.everything.rows == 0
    assert found.audit is not None
    assert found.audit.everything.rows > 0


def test_120_classes_are_a_screen_and_not_a_scroll(capsys: pytest.CaptureFixture[str]) -> None:
    """The largest are shown, the rest is counted; nothing is cut in silence."""
    names = [f"class {number}" for number in range(120)]
    pairs: dict[tuple[str, str | None], int] = Counter(
        {(a, b): 1 + (a == b) for a in names for b in names[:50]}
    )
    found = judge(pairs, names)

    print_score(Score(found.everything, found.everything, found.everything, gold=found))

    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 50
    assert "and 100 classes of fewer rows: --json has all" in out
    assert "other pairs: --json has all" in out


def test_labels_that_are_all_right_confuse_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """No empty table."""
    found = judged(["a", "b"], ["a", "b"])

    print_score(Score(found.everything, found.everything, found.everything, gold=found))

    assert "is\tlabel\trows" not in capsys.readouterr().out


def test_gold_is_joined_and_not_assumed(tmp_path: Path) -> None:
    """Rows without gold are in no count."""
    hub, _ = Hub.init(tmp_path, dataset="mail")
    frame = mail().with_columns(kind=pl.when(pl.col("id") > 2).then("kind"))
    frame.write_parquet(tmp_path / "mail.parquet")
    hub.import_rows(tmp_path / "mail.parquet", key="id", gold="kind")
    lf = 'from datahub import keywords\nlf = keywords("lf", ["free", "dinner"], "spam")\n'
    (tmp_path / "labeling_functions" / "first.py").write_text(lf)
    hub.lf_run()
    hub.label_fit()

    found = hub.score().gold

    assert found is not None
    assert found.everything.rows == 39
    assert [c.rows for c in found.classes] == [24, 15]
