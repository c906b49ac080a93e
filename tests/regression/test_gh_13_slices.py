"""Issue 13: Snorkel's slicing functions are slices of `label score`, and never LFs."""

from __future__ import annotations

from pathlib import Path

import pytest

from datahub import Hub
from datahub.adapters.lfs_folder.discovery import discover_lfs
from datahub.cli.label import print_score
from datahub.core.scoring import Accuracy
from tests.integration.conftest import LFS, mail

SLICES = """
from snorkel.preprocess import preprocessor
from snorkel.slicing import slicing_function


@preprocessor()
def measured(x):
    x.length = len(x.text)
    return x


@slicing_function(pre=[measured])
def long_ones(x):
    return x.length > 40


@slicing_function()
def fragile(x):
    return 1 / (x.id % 2)


@slicing_function()
def nobody(x):
    return -1
"""
TRANSFORMS = """
from snorkel import augmentation


@augmentation.transformation_function()
def louder(x):
    x.text = x.text.upper()
    return x
"""


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """Labels, every task answered by gold, and then a file of slicing functions."""
    hub, _ = Hub.init(tmp_path, dataset="mail")
    mail().write_parquet(tmp_path / "mail.parquet")
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    hub.import_rows(tmp_path / "mail.parquet", key="id", gold="kind")
    hub.lf_run()
    hub.label_fit()
    hub.review_push(budget=20)
    gold = hub.gold()
    answers = [(task_id, gold[task.key]) for task_id, task in hub.review_open()]
    hub.review_answer(answers, annotator="ann")
    hub.review_pull()
    (tmp_path / "labeling_functions" / "slices.py").write_text(SLICES)
    return hub


def test_labels_are_scored_by_slice(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has the rows that its function says, against gold and the audit; nothing is kept."""
    head = hub.commit_at().id

    score = hub.score()
    print_score(score)

    long_ones, fragile, nobody = score.slices
    labels = hub.scan().collect().join(mail().select("id", gold="kind"), on="id")
    inside = labels.filter(labels["text"].str.len_chars() > 40)
    labeled = inside.drop_nulls("label")
    right = labeled.filter(labeled["label"] == labeled["gold"]).height
    assert (long_ones.name, long_ones.rows) == ("long_ones", inside.height)
    assert long_ones.gold == Accuracy(inside.height, labeled.height, right)
    assert score.audit is not None
    assert long_ones.audit is not None
    assert 0 < long_ones.audit.rows < score.audit.everything.rows
    assert (fragile.rows, fragile.faults) == (21, 21)
    assert (nobody.rows, nobody.gold, nobody.audit) == (0, Accuracy(0, 0, 0), Accuracy(0, 0, 0))
    talk = capsys.readouterr().out
    assert "By slice" in talk
    assert "slice fragile raised on 21 rows, which are not in it" in talk
    assert hub.score(slices=False).slices == ()
    assert hub.commit_at().id == head


def test_slices_and_transformations_are_named_and_are_no_lfs(tmp_path: Path) -> None:
    """A preprocessor beside them is neither; a slice of an LF's name is left to the LF."""
    folder = tmp_path / "labeling_functions"
    folder.mkdir()
    (folder / "slices.py").write_text(SLICES + TRANSFORMS)
    (folder / "first.py").write_text(LFS.replace("short", "nobody"))

    found = discover_lfs(tmp_path, folder)

    assert [live.found.name for live in found.slices] == ["long_ones", "fragile"]
    assert [live.found.name for live in found.lfs][-1] == "nobody"
    why = {left.name: left.why for left in found.left_out}
    assert set(why) == {"long_ones", "fragile", "nobody", "louder"}
    assert why["nobody"].startswith("slicing function")
    assert why["louder"].startswith("transformation function")
