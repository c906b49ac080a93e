"""Gate and merge speak of one candidate, from Python as from the command line."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from datahub import Hub
from datahub.core.check_result import CheckResult
from datahub.core.errors import GateError, GateRefused, Guarded, StaleHead
from datahub.core.verdict import Verdict
from datahub.ports import GateEngine, Instead
from tests.integration.conftest import CARELESS, GATES, LFS, SUITE, Datahub


class Interrupted:
    """The real gate; while it judges, somebody else does something."""

    def __init__(self, gate: GateEngine, meanwhile: object) -> None:
        self._gate, self._meanwhile = gate, meanwhile

    def check_suite(self, suite: bytes, *, name: str) -> int:
        return self._gate.check_suite(suite, name=name)

    def judge(
        self,
        paths: Sequence[Path],
        suite: bytes,
        *,
        name: str,
        key: str | None = None,
        instead: Instead | None = None,
    ) -> list[CheckResult]:
        found = self._gate.judge(paths, suite, name=name, key=key, instead=instead)
        assert callable(self._meanwhile)
        self._meanwhile()
        return found


def open_hub(project: Path) -> Hub:
    return Hub.open(project)


def test_a_merge_whose_head_moved_is_told_and_nothing_lands(
    datahub: Datahub, labeled: Path
) -> None:
    """The verdict is of another head: whoever came first stays, the late one runs again."""
    hub, other = open_hub(labeled), open_hub(labeled)
    other.switch("work")
    other.create_branch("second", at="work")

    def lands_first() -> None:
        other.merge("second", into="main")

    hub.__dict__["gate"] = Interrupted(hub.gate, lands_first)

    with pytest.raises(StaleHead) as caught:
        hub.merge("work", into="main", retry=False)

    assert caught.value.branch == "main"
    assert hub.log("main")[0].message == "Merge second into main"
    assert "again" in caught.value.hint


def test_a_merge_whose_head_moved_is_judged_again_by_itself(
    datahub: Datahub, labeled: Path
) -> None:
    """Whoever comes late judges what is there then; here three others land first."""
    hub, other = open_hub(labeled), open_hub(labeled)
    others = [f"other-{n}" for n in range(3)]
    for name in others:
        other.create_branch(name, at="work")
        other.switch(name)
        Path(f"{name}.md").write_text(name)
        other.commit([f"{name}.md"], message=f"Note {name}")
    other.switch("work")
    Path("work.md").write_text("work")
    other.commit(["work.md"], message="Note work")
    heads: list[str] = []

    def lands_first() -> None:
        heads.append(other.store.branches()["main"])
        if others:
            other.merge(others.pop(), into="main")

    hub.__dict__["gate"] = Interrupted(hub.gate, lands_first)

    merged = hub.merge("work", into="main")

    assert len(set(heads)) == len(heads) == 4
    assert merged.verdict is not None
    assert merged.verdict.judged_head == heads[-1]


def suites_of_all(project: Path) -> None:
    gates = project / "expectations" / "gates.toml"
    gates.write_text(GATES.replace('"mail"', '"*"'))


@pytest.mark.parametrize(
    ("table", "column", "hint"),
    [("labels", "lable", "Did you mean 'label'"), ("rows", "zz", "It has id, text")],
)
def test_rules_that_name_a_missing_column_are_not_set(
    datahub: Datahub, base: Path, table: str, column: str, hint: str
) -> None:
    """They could never run, and whoever merges next would have to find out why."""
    suite = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": column}}
    (base / "expectations" / "labels.json").write_text(json.dumps({"expectations": [suite]}))
    (base / "expectations" / "gates.toml").write_text(GATES.replace('"labels"', f'"{table}"'))

    ran = datahub("gate", "set", "--reason", "a slip")

    assert ran.code == 2, ran
    assert f"no column {column!r}" in ran.err
    assert hint in ran.err


def test_rules_may_ask_whether_a_column_is_there(datahub: Datahub, base: Path) -> None:
    """That is a question of its own; and what has no table yet may come by a merge."""
    suite = {"type": "expect_column_to_exist", "kwargs": {"column": "topic"}}
    (base / "expectations" / "labels.json").write_text(json.dumps({"expectations": [suite]}))
    (base / "expectations" / "gates.toml").write_text(
        GATES + GATES.replace('"mail"', '"later"').replace("labels.json", "later.json")
    )
    later = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "topic"}}
    (base / "expectations" / "later.json").write_text(json.dumps({"expectations": [later]}))

    assert datahub("gate", "set", "--reason", "columns to come").code == 0


def test_a_gate_of_every_dataset_judges_one_that_is_new(datahub: Datahub, labeled: Path) -> None:
    """Nothing is ungated by being new: a second dataset without labels does not pass."""
    suites_of_all(labeled)
    assert datahub("gate", "set", "--reason", "all of them").code == 0
    assert datahub("gate", "run", "work").code == 0
    assert datahub("import", "mail.parquet", "--dataset", "other", "--key", "id").code == 0

    ran = datahub("gate", "run", "work")

    assert ran.code == 7
    assert "labels of 'other', which has none" in ran.err


def test_a_gate_of_every_dataset_judges_one_that_goes(datahub: Datahub, labeled: Path) -> None:
    """A merge that takes a dataset away is not one without a gate."""
    suites_of_all(labeled)
    assert datahub("gate", "set", "--reason", "all of them").code == 0
    hub = open_hub(labeled)
    hub.merge("work", into="main")
    hub.create_branch("gone", at="main")
    step, head = hub.step(), hub.store.commit_at("gone")
    hub.store.commit(
        "gone",
        dict.fromkeys(hub.store.objects("gone", "datasets/mail/")),
        message="Take it away",
        author=step.author,
        time=step.time,
        expected=head.id,
    )

    with pytest.raises(GateError, match="not there"):
        hub.gate_run("gone", into="main")


def test_a_gate_of_every_dataset_cannot_judge_none(datahub: Datahub, tmp_path: Path) -> None:
    """No dataset, no pass."""
    assert datahub("init", "--dataset", "mail").code == 0
    (tmp_path / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    suites_of_all(tmp_path)
    assert datahub("gate", "set", "--reason", "from the start").code == 0
    Path("notes.md").write_text("x")
    for words in (["switch", "-c", "work"], ["commit", "notes.md", "-m", "Note"]):
        assert datahub(*words).code == 0

    ran = datahub("gate", "run", "work")

    assert ran.code == 7
    assert "every dataset" in ran.err


def test_a_gate_that_stops_halfway_has_not_passed(datahub: Datahub, labeled: Path) -> None:
    """Whatever went wrong in judging, nothing lands and no candidate is left behind."""
    hub = open_hub(labeled)
    before = hub.store.branches()

    def breaks() -> None:
        raise GateError("The judge fell ill.", hint="Try again.")

    hub.__dict__["gate"] = Interrupted(hub.gate, breaks)

    with pytest.raises(GateError):
        hub.merge("work", into="main")

    assert hub.store.branches() == before


def test_python_cannot_commit_to_a_guarded_branch_either(datahub: Datahub, guarded: Path) -> None:
    """The store itself refuses: no door goes round."""
    hub = open_hub(guarded)
    head = hub.store.commit_at("main")

    with pytest.raises(Guarded):
        hub.store.commit(
            "main",
            {"x": hub.store.put(b"x")},
            message="Sneak in",
            author="me",
            time=dt.datetime.now(dt.UTC),
            expected=head.id,
        )

    assert hub.store.commit_at("main") == head


def test_a_verdict_of_other_content_does_not_land(datahub: Datahub, labeled: Path) -> None:
    """A pass given to other content is no pass of this; the store itself does not judge."""
    hub = open_hub(labeled)
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace(*CARELESS))
    hub.lf_run()
    hub.label_fit()
    with pytest.raises(GateRefused) as refused:
        hub.merge("work", into="main")
    honest = refused.value.verdict
    work = hub.store.commit_at("work")
    candidate = hub.store.propose(
        work.id,
        into="main",
        changes={c.path: c.new for c in hub.store.changes("main", work.id)},
        message="Forge",
        author="me",
        time=dt.datetime.now(dt.UTC),
        expected=hub.store.commit_at("main").id,
    )
    forged = Verdict(
        passed=True,
        content_id=honest.content_id[::-1],
        source=honest.source,
        judged_head=honest.judged_head,
        suite_hash=honest.suite_hash,
        time=honest.time,
    )

    with pytest.raises(Guarded):
        hub.store.land(candidate, forged)

    assert hub.store.commit_at("main").message != "Forge"


def test_a_refusal_is_kept_with_all_its_reasons(datahub: Datahub, labeled: Path) -> None:
    """In the catalog, by commit: the one who asks tomorrow gets the same answer."""
    hub = open_hub(labeled)
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace(*CARELESS))
    hub.lf_run()
    hub.label_fit()
    with pytest.raises(GateRefused) as refused:
        hub.merge("work", into="main")

    (kept,) = open_hub(labeled).refusals()

    assert kept.verdict == refused.value.verdict
    assert (kept.branch, kept.into) == ("work", "main")


def test_merging_the_destination_in_settles_a_conflict(datahub: Datahub, labeled: Path) -> None:
    """Two branches labeled on their own: the second takes the first in, and says which side."""
    hub = open_hub(labeled)
    hub.switch("main")
    hub.switch("other", create=True)
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace("< 25", "< 30"))
    hub.lf_run()
    hub.label_fit()
    hub.merge("work", into="main", committed_lfs=True)  # the checkout is of `other`
    conflict = datahub("merge", "other", "--into", "main")
    assert conflict.code == 3
    assert "label_model" in conflict.err
    assert "--theirs" in conflict.err

    assert datahub("merge", "main", "--into", "other", "--ours").code == 0
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0
    merged = datahub("merge", "other", "--into", "main")

    assert merged.code == 0, merged.err


def test_a_gate_whose_suite_was_never_committed_refuses(datahub: Datahub, project: Path) -> None:
    """What is missing refuses: it is no bug, and no pass."""
    for words in (["switch", "-c", "work"], ["lf", "run"], ["label", "fit"], ["switch", "main"]):
        assert datahub(*words).code == 0
    (project / "expectations" / "gates.toml").write_text(GATES.replace("labels.json", "gone.json"))
    assert datahub("commit", "expectations/gates.toml", "-m", "Bind a suite").code == 0

    ran = datahub("merge", "work", "--into", "main")

    assert ran.code == 1
    assert "gone.json" in ran.err
    assert "not committed" in ran.err


def test_a_branch_without_a_gate_is_not_judged_by_what_it_takes_in(
    datahub: Datahub, project: Path
) -> None:
    """Rules are those of the destination as it was, whatever the source brings along."""
    assert datahub("switch", "-c", "work").code == 0
    (project / "expectations" / "gates.toml").write_text(GATES)
    for words in (
        ["commit", "expectations/gates.toml", "expectations/labels.json", "-m", "Bind a suite"],
        ["lf", "run"],
        ["label", "fit"],
    ):
        assert datahub(*words).code == 0

    merged = datahub("merge", "work", "--into", "main", "--json").json

    assert merged["verdict"]["checks"] == 0
