"""`audit` and `fsck` could be made to say "clean" of what no gate had judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from datahub import Hub
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.core.layout import VERDICT
from datahub.core.versions import Commit
from datahub.machine.bytes.files import ObjectFiles
from tests import tampering
from tests.integration.conftest import Datahub, mail
from tests.lakefs_server import LakeFSServer, as_settings

GATES = "expectations/gates.toml"
LINE = {
    "id": "a1",
    "key": 1,
    "row_hash": "0" * 64,
    "label": "spam",
    "annotator": "mallory",
    "time": "2026-01-02T00:00:00+00:00",
    "batch": "none",
}


@pytest.fixture(params=["embedded", "lakefs"])
def datahub(
    request: pytest.FixtureRequest,
    datahub: Datahub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Datahub:
    """The command line, on projects of either store."""
    if request.param == "lakefs":
        server: LakeFSServer = request.getfixturevalue("lakefs")
        for name, value in as_settings(server.new_repository(tmp_path)).items():
            monkeypatch.setenv(name, value)
    return datahub


# Whoever can write the files of an embedded store; a server keeps its own.
in_its_files = pytest.mark.parametrize("datahub", ["embedded"], indirect=True)


def tampered(project: Path, statement: str, *values: object) -> None:
    """The project's database, as whoever can write the file leaves it."""
    tampering.edit(project / ".datahub", statement, *values)


def head(project: Path, branch: str = "main") -> Commit:
    return Hub.open(project).store.commit_at(branch)


def by_hand(
    project: Path, branch: str, files: Mapping[str, bytes], metadata: Mapping[str, str]
) -> Commit:
    """A commit of the project by the store's own call."""
    return tampering.by_hand(Hub.open(project).store, branch, files, metadata)


def without_gate(datahub: Datahub, project: Path) -> None:
    (project / GATES).rename(project / "gates.toml")
    ran = datahub("gate", "set", "--unguard", "--reason", "only for a moment")
    assert ran.code == 0, ran.err


def test_what_came_while_the_gate_was_off_is_named(datahub: Datahub, guarded: Path) -> None:
    """With who took it off, and why; also when it is on again."""
    without_gate(datahub, guarded)
    off = head(guarded)
    mail().head(3).write_parquet(guarded / "few.parquet")
    assert datahub("import", "few.parquet", "--key", "id", "--gold", "kind").code == 0
    slipped = head(guarded)
    (guarded / "gates.toml").rename(guarded / GATES)
    assert datahub("gate", "set", "--reason", "as it was").code == 0

    ran = datahub("audit", "--json")

    assert ran.code == 1
    assert [one["commit"] for one in ran.json["unjudged"]] == [slipped.id]
    assert [(one["commit"], one["reason"]) for one in ran.json["ungated"]] == [
        (off.id, "only for a moment")
    ]
    assert "only for a moment" in datahub("audit").out


def test_a_time_without_a_gate_is_told_where_nothing_came(datahub: Datahub, guarded: Path) -> None:
    """What was judged after it can be held by itself."""
    without_gate(datahub, guarded)
    (guarded / "gates.toml").rename(guarded / GATES)
    assert datahub("gate", "set", "--reason", "as it was").code == 0

    ran = datahub("audit", "--json")

    assert (ran.code, ran.json["unjudged"], len(ran.json["ungated"])) == (1, [], 1)
    assert datahub("audit", "--since", head(guarded).id).code == 0


def test_a_branch_that_was_never_guarded_is_not_clean(datahub: Datahub, project: Path) -> None:
    ran = datahub("audit")

    assert ran.code == 1
    assert "never guarded" in ran.out


def test_commits_before_the_gate_are_free_and_counted(datahub: Datahub, guarded: Path) -> None:
    ran = datahub("audit", "--json")

    assert ran.code == 0, ran.out
    assert ran.json["guarded_since"] == head(guarded).id
    assert ran.json["free"] == ran.json["commits"] > 1


@in_its_files
@pytest.mark.parametrize("pin", [False, True])
def test_a_branch_moved_back_before_its_gate_is_told(
    datahub: Datahub, guarded: Path, pin: bool
) -> None:
    """By what the store remembers, and by what the auditor knows."""
    store = EmbeddedVersionStore(ObjectFiles(guarded / ".datahub"))
    stood, before = head(guarded), head(guarded).parents[0]
    tampered(guarded, "UPDATE branch SET head = ? WHERE name = 'main'", before)
    by_hand(guarded, "main", {"notes.txt": b"unseen"}, {})
    assert datahub("gate", "set", "--reason", "spam stays below 60%").code == 0

    since = ("--since", stood.id) if pin else ()
    ran = datahub("audit", "--json", *since)

    assert ran.code == 1
    assert (ran.json["moved"], bool(ran.json["since_fault"])) == ([stood.id], pin)
    assert store.stood("main")[0] == stood.id


def test_a_branch_deleted_while_its_gate_was_off_is_told(
    request: pytest.FixtureRequest, datahub: Datahub, guarded: Path
) -> None:
    """By the command line alone: taken off, deleted, cut from where it began, guarded again.

    lakeFS does not delete a repository's default branch.
    """
    first = head(guarded).parents[0]
    without_gate(datahub, guarded)
    off = head(guarded)
    for words in (["branch", "create", "aside"], ["switch", "aside"]):
        assert datahub(*words).code == 0
    deleted = datahub("branch", "delete", "main")
    if "lakefs" in request.node.name:
        assert (deleted.code, "default branch" in deleted.err) == (3, True), deleted.err
        return
    assert deleted.code == 0
    assert datahub("branch", "create", "main", "--from", first).code == 0
    (guarded / "gates.toml").rename(guarded / GATES)
    assert datahub("gate", "set", "--reason", "spam stays below 60%").code == 0

    ran = datahub("audit", "main", "--json")

    assert (ran.code, ran.json["moved"]) == (1, [off.id])


@in_its_files
@pytest.mark.parametrize("table", ["branch", "tag"])
@pytest.mark.parametrize("digits", [8, 64])
def test_an_id_goes_before_a_name(datahub: Datahub, guarded: Path, table: str, digits: int) -> None:
    made = head(guarded)
    tampered(guarded, f'INSERT INTO "{table}" VALUES (?, ?)', made.id[:digits], made.parents[0])

    assert datahub("show", made.id[:digits], "--json").json["commit"]["id"] == made.id
    fsck = datahub("fsck", "--quick", "--json")
    assert (fsck.code, [one["id"] for one in fsck.json]) == (1, [made.id[:digits]])
    assert datahub("audit", "--json").json["guarded_since"] == made.id


@in_its_files
def test_a_name_like_an_id_stands_for_nothing(datahub: Datahub, guarded: Path) -> None:
    """Not even where no commit has it: one may come to have it."""
    tampered(guarded, "INSERT INTO branch VALUES ('0123456789ab', ?)", head(guarded).id)

    ran = datahub("show", "0123456789ab")

    assert ran.code == 5
    assert "fsck" in ran.err


@pytest.mark.parametrize(
    "name", ["deadbeef", "0" * 64, "refs/heads/main", "main ", "HEAD", "ma\u0456n"]
)
def test_a_name_that_could_be_taken_for_another_is_refused(
    datahub: Datahub, project: Path, name: str
) -> None:
    assert datahub("branch", "create", name).code == 2
    assert datahub("tag", "create", name).code == 2


@in_its_files
def test_fsck_names_a_branch_and_a_tag_of_one_name(datahub: Datahub, guarded: Path) -> None:
    tampered(guarded, "INSERT INTO tag VALUES ('main', ?)", head(guarded).parents[0])

    assert "both a branch and a tag" in datahub("fsck", "--quick").out


@in_its_files
def test_fsck_recomputes_generations(datahub: Datahub, guarded: Path) -> None:
    """A merge base rests on them."""
    made = head(guarded)
    tampered(guarded, 'UPDATE "commit" SET generation = 99 WHERE id = ?', made.id)

    ran = datahub("fsck", "--quick", "--json")

    assert (ran.code, [(one["kind"], one["id"]) for one in ran.json]) == (1, [("commit", made.id)])


@in_its_files
@pytest.mark.parametrize("generation", [0, -5, 500])
@pytest.mark.parametrize("back", [0, 1])
def test_no_walk_rests_on_a_generation_that_was_changed(
    datahub: Datahub, guarded: Path, generation: int, back: int
) -> None:
    """A history would lack commits, or be in another order: an audit of it would see less."""
    ids = [one["id"] for one in datahub("log", "--json").json]
    tampered(guarded, 'UPDATE "commit" SET generation = ? WHERE id = ?', generation, ids[back])

    log = datahub("log", "--json")
    audit = datahub("audit")

    if log.code == 0:  # above all others, the head's is harmless
        assert [one["id"] for one in log.json] == ids
    else:
        assert (log.code, audit.code) == (7, 7), log.err + audit.err
        assert "generation" in log.err
    assert datahub("fsck", "--quick").code == 1


@pytest.mark.parametrize("metadata", [{}, {"step": "review pull", "annotations": "1"}])
def test_annotations_committed_by_hand_are_named(
    datahub: Datahub, labeled: Path, metadata: dict[str, str]
) -> None:
    """Also where the commit says that a pull made it: the answer is to no task."""
    files = {"datasets/mail/annotations/x.jsonl": (json.dumps(LINE) + "\n").encode()}
    made = by_hand(labeled, "work", files, metadata)

    found = datahub("audit", "work", "--json").json["unexplained"]

    assert [one["commit"] for one in found] == [made.id]


def test_labels_that_no_model_gave_do_not_pass_a_gate(datahub: Datahub, labeled: Path) -> None:
    """Nor do fsck and audit pass over them."""
    hub = Hub.open(labeled)
    [(path, oid)] = hub.store.objects("work", "datasets/mail/labels/").items()
    frame = hub.rows.read([hub.store.fetch(oid)])
    turned = frame.with_columns(label=frame["label"].replace({"spam": "ham", "ham": "spam"}))
    hub.rows.write(turned, labeled / "turned.parquet")
    content = (labeled / "turned.parquet").read_bytes()
    made = by_hand(labeled, "work", {path: content}, {"step": "label fit", "dataset": "mail"})

    refused = datahub("merge", "work", "--into", "main", "--json")

    assert refused.code == 1
    assert "not what its soft labels say" in refused.out + refused.err
    assert "not what its soft labels say" in datahub("fsck").out
    [found] = datahub("audit", "work", "--json").json["unexplained"]
    assert found["commit"] == made.id


@in_its_files
def test_data_beside_the_verdict_is_found(datahub: Datahub, guarded: Path) -> None:
    """Where a content id does not reach: in the tree of datahub's own objects."""
    store = EmbeddedVersionStore(ObjectFiles(guarded / ".datahub"))
    now = head(guarded)
    oid = store.put(b"unjudged")
    tampering.hide(guarded / ".datahub", now, "datasets/mail/x", oid)

    assert datahub("audit").code != 0
    assert "does not belong" in datahub("fsck", "--quick").out
    assert VERDICT in store.objects(now.id)


@pytest.mark.parametrize("name", ["main", "HEAD", "v1", "main~1"])
def test_an_audit_is_pinned_by_an_id_and_by_no_name(
    datahub: Datahub, guarded: Path, name: str
) -> None:
    """Who can move a name could make any history look clean."""
    assert datahub("tag", "create", "v1", "main").code == 0

    ran = datahub("audit", "main", "--since", name)

    assert ran.code == 2, ran.out
    assert "no commit id" in ran.err
