"""What people did by datahub's own commands was called annotations that nobody brought.

Each alarm that is off now has a forgery beside it that must still be named.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import MergeConflict
from tests.integration.conftest import LFS, mail

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
GONE = "0" * 64  # an id that no commit has
HEAD = "the head"  # stands for its id
LINE = {
    "id": "a1",
    "key": 1,
    "row_hash": "0" * 64,
    "label": "spam",
    "annotator": "mallory",
    "time": "2026-01-02T00:00:00+00:00",
    "batch": "none",
}
SETTLING: dict[str, object] = {"id": "merge-x-1", "batch": "merge-x"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unguarded project with labels."""
    folder = tmp_path_factory.mktemp("made") / "project"
    hub, _ = Hub.init(folder, dataset="mail")
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    imported(hub, mail())
    fitted(hub)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "project"))


def imported(hub: Hub, frame: pl.DataFrame, **how: object) -> None:
    frame.write_parquet(hub.settings.root / "mail.parquet")
    path = hub.settings.root / "mail.parquet"
    hub.import_rows(path, key="id", gold="kind", **how)  # type: ignore[arg-type]


def fitted(hub: Hub) -> None:
    hub.lf_run()
    hub.label_fit()


def answered(hub: Hub, answers: Mapping[int, str]) -> None:
    """What ann says of rows, pushed (if nothing is yet) and pulled."""
    if not hub.review_open():
        hub.review_push(budget=40)
    numbers = {task.key: number for number, task in hub.review_open()}
    hub.review_answer([(numbers[key], label) for key, label in answers.items()], annotator="ann")
    assert hub.review_pull().annotations == len(answers)


def alarms(hub: Hub, branch: str = "main") -> list[str]:
    """What audit says of annotations, labels and votes, and what fsck says."""
    said = [why for one in hub.audit(branch).unexplained for why in one.why]
    return said + [damage.what for damage in hub.fsck()]


def collected(hub: Hub, branch: str) -> None:
    """A branch deleted, and what only it held with it."""
    hub.delete_branch(branch, force=True)
    assert hub.gc(keep=dt.timedelta(seconds=-5)).commits


def forged(hub: Hub, name: str, metadata: Mapping[str, str], line: Mapping[str, object]) -> str:
    """A commit on main by which somebody adds a line to the log by hand."""
    head = hub.store.branches()["main"]
    content = json.dumps({**LINE, "id": name, **line}) + "\n"
    return hub.store.commit(
        "main",
        {f"datasets/mail/annotations/{name}.jsonl": hub.store.put(content.encode())},
        message="by hand",
        author="mallory",
        time=TIME,
        expected=head,
        metadata={word: head if value == HEAD else value for word, value in metadata.items()},
    ).id


def test_answers_of_a_squashed_branch_that_is_gone_are_explained(project: Path) -> None:
    hub = Hub.open(project)
    hub.create_branch("work")
    answered(Hub.open(project, branch="work"), {0: "ham", 1: "ham"})
    hub.merge("work", into="main", squash=True)

    collected(hub, "work")

    assert alarms(hub) == []


def test_what_was_picked_from_a_branch_that_is_gone_is_explained(project: Path) -> None:
    """Votes too."""
    hub = Hub.open(project)
    hub.create_branch("work")
    work = Hub.open(project, branch="work")
    (project / "labeling_functions" / "first.py").write_text(LFS.replace("< 25", "< 60"))
    fitted(work)
    answered(work, {0: "ham", 1: "ham"})
    for back in (3, 2, 1, 0):
        hub.cherry_pick(f"work~{back}" if back else "work")

    collected(hub, "work")

    assert alarms(hub) == []


def test_answers_to_a_push_that_was_taken_back_are_explained(project: Path) -> None:
    hub = Hub.open(project)
    before = hub.log(limit=1)[0].id
    hub.review_push(budget=40)
    hub.restore(ref=before, set_aside=True)

    answered(hub, {0: "ham"})

    assert alarms(hub) == []


def test_an_answer_to_a_row_that_was_removed_can_be_withdrawn(project: Path) -> None:
    hub = Hub.open(project)
    answered(hub, {0: "ham", 1: "ham"})
    imported(hub, mail().filter(pl.col("id") != 0), set_aside=True)
    fitted(hub)

    hub.queue().withdraw(_task_of(project, 0), annotator="ann")  # type: ignore[attr-defined]

    assert hub.review_pull().withdrawn == 1
    assert alarms(hub) == []


def _task_of(project: Path, key: int) -> str:
    with sqlite3.connect(project / ".datahub" / "review.db") as db:
        tasks = db.execute("SELECT id, task FROM task").fetchall()
    return next(str(number) for number, task in tasks if json.loads(task)["key"] == key)


@pytest.mark.parametrize("appended", [False, True])
def test_an_answer_that_counts_again_is_no_fault_before_the_next_fit(
    project: Path, appended: bool
) -> None:
    """Of a row that was changed and changed back, or dropped and added again."""
    hub = Hub.open(project)
    answered(hub, {0: "ham", 1: "ham"})
    first = pl.col("id") == 0
    if appended:
        imported(hub, mail().filter(~first), set_aside=True)
        imported(hub, mail().filter(first), mode="append")
    else:
        other = pl.when(first).then(pl.lit("other words")).otherwise("text")
        imported(hub, mail().with_columns(text=other), set_aside=True)
        imported(hub, mail())

    assert alarms(hub) == []
    fitted(hub)
    assert alarms(hub) == []


def two_models(project: Path) -> Hub:
    """Branches `one`, which is in main already, and `two`, each with a model of its own."""
    hub = Hub.open(project)
    for name in ("one", "two"):
        hub.create_branch(name)
    Hub.open(project, branch="one", label_model="majority").label_fit()
    more = "".join(f'\nx{i} = keywords("x{i}", ["a", "e"], HAM)' for i in range(4))
    words = LFS.replace("< 25", "< 60") + more + "\n"
    (project / "labeling_functions" / "first.py").write_text(words)
    two = Hub.open(project, branch="two", label_model="majority")
    two.lf_run()
    two.label_fit()
    hub.merge("one", into="main")
    return hub


def decided(hub: Hub) -> Path:
    """A file that decides one row on which the models of main and `two` differ."""
    with pytest.raises(MergeConflict) as stopped:
        hub.merge("two", into="main")
    key = next(one.key for one in stopped.value.conflicts if one.kind == "models disagree")
    path = hub.settings.root / "decided.csv"
    path.write_text(f"key,take\n{key},ours\n")
    return path


@pytest.mark.parametrize("squash", [False, True])
def test_a_row_decided_where_models_disagree_is_explained(project: Path, squash: bool) -> None:
    """Also when the merge is taken back and done again, and when what was squashed is gone."""
    hub = two_models(project)

    merge = hub.merge("two", into="main", side="theirs", decisions=decided(hub), squash=squash)

    assert merge.report.settled == 1
    assert alarms(hub) == []
    if squash:
        collected(hub, "two")
        assert alarms(hub) == []
    hub.revert("main", set_aside=True)
    assert alarms(hub) == []
    hub.revert("main", set_aside=True)
    assert alarms(hub) == []


def test_a_row_decided_in_a_pick_where_models_disagree_is_explained(project: Path) -> None:
    hub = two_models(project)
    path = decided(hub)

    hub.cherry_pick("two", side="theirs", decisions=path)

    batches = hub.store.objects("main", "datasets/mail/annotations/")
    assert len(batches) == 1
    assert alarms(hub) == []


FORGED: list[tuple[dict[str, str], dict[str, object]]] = [
    ({"squashed": GONE}, {}),
    ({"step": "cherry-pick", "commit": GONE}, {}),
    ({"step": "restore", "commit": GONE}, {"withdrawn": True}),
    ({"step": "review pull", "annotations": "1"}, {"withdrawn": True}),
    ({"squashed": GONE}, SETTLING),
    ({"step": "cherry-pick", "commit": "main"}, {}),
    ({"step": "cherry-pick", "commit": HEAD}, SETTLING),
    ({"step": "cherry-pick", "commit": HEAD}, {**SETTLING, "settles": ["nobody's"]}),
    ({"step": "cherry-pick", "commit": HEAD}, {"settles": ["nobody's"]}),
]


def test_what_only_looks_like_that_is_named(project: Path) -> None:
    """By the name of a commit that was never there, or as what a merge settled."""
    hub = Hub.open(project)

    made = [forged(hub, f"x{number}", *one) for number, one in enumerate(FORGED)]

    assert [one.commit for one in hub.audit("main").unexplained] == made[::-1]
