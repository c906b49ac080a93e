"""VersionStore: branches and commits, what is refused on a guarded branch, what may land."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.adapters.versions_overlay import OverlayVersionStore
from datahub.core.errors import (
    BranchExists,
    BranchNotFound,
    ConfigError,
    Guarded,
    InputError,
    NotFound,
    NothingToCommit,
    ObjectNotFound,
    RefNotFound,
    StaleHead,
    SuiteNotFound,
    TagExists,
    TagNotFound,
)
from datahub.core.layout import GATES, OWN, VERDICT
from datahub.core.verdict import Verdict
from datahub.core.versions import (
    Candidate,
    Changes,
    Commit,
    changes_between,
    content_id,
    merged_changes,
    suite_hash,
)
from datahub.hub import REGISTRY
from datahub.hub.registry import load
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Remembering, Sharing, VersionStore
from tests.lakefs_server import LakeFSServer

START = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
SUITE = "expectations/labels.json"
GATE = b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "labels.json"\n'
NOWHERE = "0" * 64

Make = Callable[[Path], VersionStore]


def embedded(made: Any, folder: Path) -> VersionStore:
    store: VersionStore = made.create(
        ObjectFiles(folder / ".datahub"),
        branch="main",
        author="ann",
        time=START - dt.timedelta(days=1),
    )
    return store


def on_lakefs(server: LakeFSServer, made: Any, folder: Path) -> VersionStore:
    store: VersionStore = made.create(
        **server.new_repository(folder),
        branch="main",
        author="ann",
        time=START - dt.timedelta(days=1),
    )
    return store


def lakefs(request: pytest.FixtureRequest) -> Callable[[Any, Path], VersionStore]:
    return partial(on_lakefs, request.getfixturevalue("lakefs"))


BUILDERS = {"embedded": lambda request: embedded, "lakefs": lakefs}


def overlay(folder: Path) -> VersionStore:
    """A repository over one that has only begun."""
    made = load(REGISTRY["version_store"]["embedded"])
    store: VersionStore = OverlayVersionStore(
        embedded(made, folder), ObjectFiles(folder / "overlay")
    )
    return store


def builder(request: pytest.FixtureRequest, name: str) -> Make:
    """Builds a new repository, its one branch `main`, with an empty folder on this side."""
    return partial(BUILDERS[name](request), load(REGISTRY["version_store"][name]))


@pytest.fixture(params=sorted(REGISTRY["version_store"]))
def make(request: pytest.FixtureRequest) -> Make:
    """Builds repositories of each backend."""
    return builder(request, request.param)


@pytest.fixture(params=[*sorted(REGISTRY["version_store"]), "overlay"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VersionStore:
    if request.param == "overlay":
        return overlay(tmp_path)
    return builder(request, request.param)(tmp_path)


TICKS = count()


def commit(
    store: VersionStore,
    branch: str,
    files: Mapping[str, bytes | None],
    *,
    expected: str | None = None,
    **fields: Any,
) -> Commit:
    """Commit named contents, a second after the last commit."""
    changes = {
        path: None if content is None else store.put(content) for path, content in files.items()
    }
    head = expected or store.branches()[branch]
    told = {"message": "work", "author": "ann", "time": START + dt.timedelta(seconds=next(TICKS))}
    return store.commit(branch, changes, expected=head, **{**told, **fields})


def propose(
    store: VersionStore,
    source: str,
    *,
    into: str = "main",
    changes: Changes | None = None,
    **fields: Any,
) -> Candidate:
    """The merge of two branches as flow makes it; or `changes` as all that it does."""
    head = store.commit_at(into)
    if changes is None:
        base = store.merge_base(into, source)
        changes, conflicts = merged_changes(
            store.changes(base.id, head.id), store.changes(base.id, source)
        )
        assert not conflicts
    told: dict[str, Any] = {"message": f"Merge {source}", "author": "ann", "expected": head.id}
    told["time"] = START + dt.timedelta(seconds=next(TICKS))
    return store.propose(source, into=into, changes=changes, **{**told, **fields})


def passing(store: VersionStore, candidate: Candidate, **fields: Any) -> Verdict:
    """The verdict that lets a candidate land."""
    verdict = Verdict(
        passed=True,
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=candidate.judged_head,
        suite_hash=suite_hash(store.objects(candidate.judged_head)),
        time=START,
        checks=1,
    )
    return replace(verdict, **fields)


def merge(store: VersionStore, source: str, *, into: str = "main", **fields: Any) -> Commit:
    candidate = propose(store, source, into=into)
    return store.land(candidate, passing(store, candidate, **fields))


@pytest.fixture
def guarded(store: VersionStore) -> VersionStore:
    """`main` holds a row and is guarded; `work` was cut from it and changed the row."""
    commit(store, "main", {"datasets/news/rows": b"1", SUITE: b"{}", GATES: GATE})
    store.create_branch("work", at="main")
    commit(store, "work", {"datasets/news/rows": b"2"})
    return store


# Bytes


def test_the_same_bytes_are_one_object(store: VersionStore, tmp_path: Path) -> None:
    """An object's id is the SHA-256 of its bytes, however they came."""
    outside = tmp_path / "given.bin"
    outside.write_bytes(b"rows")
    staged = store.stage(".parquet")
    staged.write_bytes(b"rows")

    ids = {store.put(outside), store.put(staged), store.put(b"rows")}

    assert ids == {hashlib.sha256(b"rows").hexdigest()}
    assert outside.read_bytes() == b"rows"
    assert not staged.exists()


def test_many_are_put_as_each_would_be(store: VersionStore, tmp_path: Path) -> None:
    """Their ids come in the order of the contents; a staged file is gone."""
    contents: list[Path | bytes] = [b"%d" % (i % 90) for i in range(100)]
    contents += [tmp_path / "given", store.stage(".parquet")]
    for path in contents[-2:]:
        assert isinstance(path, Path)
        path.write_bytes(b"rows")

    ids = store.put_all(iter(contents))

    assert ids[:100] == [hashlib.sha256(b"%d" % (i % 90)).hexdigest() for i in range(100)]
    assert ids[100:] == [hashlib.sha256(b"rows").hexdigest()] * 2
    assert [store.read(oid) for oid in ids[88:92]] == [b"88", b"89", b"0", b"1"]
    commit(store, "main", {"rows": b"rows"})
    assert [Path(str(path)).exists() for path in contents[-2:]] == [True, False]


@pytest.mark.parametrize(
    "content", [b"", b"\0\r\n", os.urandom(100_000)], ids=["empty", "short", "random"]
)
def test_bytes_come_back_as_they_were(store: VersionStore, content: bytes) -> None:
    oid = store.put(content)

    assert store.read(oid) == content
    assert store.fetch(oid).read_bytes() == content


@pytest.mark.parametrize("oid", [NOWHERE, "", "../../etc/passwd", "A" * 64, "abc"])
def test_bytes_never_put_are_not_found(store: VersionStore, oid: str) -> None:
    with pytest.raises(ObjectNotFound):
        store.read(oid)
    with pytest.raises(ObjectNotFound):
        store.fetch(oid)


def test_two_staged_paths_differ_and_keep_the_suffix(store: VersionStore) -> None:
    one, two = store.stage(".orc"), store.stage(".orc")

    assert one != two
    assert one.suffix == ".orc"
    assert not one.exists()
    assert one.parent.is_dir()


@pytest.mark.parametrize("missing", ["nothing.parquet", "."])
def test_only_a_file_can_be_put(store: VersionStore, tmp_path: Path, missing: str) -> None:
    with pytest.raises(InputError):
        store.put(tmp_path / missing)


# Commits


def test_a_new_repository_has_one_commit_without_a_dataset(store: VersionStore) -> None:
    assert list(store.branches()) == ["main"]
    assert [commit.parents for commit in store.log("main")] == [()]
    assert all(path.startswith(OWN) for path in store.objects("main"))


def test_a_commit_is_read_as_it_was_written(store: VersionStore) -> None:
    """Text comes back to the letter, and the time in UTC."""
    head = store.branches()["main"]
    time = dt.datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    text = "\n\nDatahub: {}\n\n é\r\n\n"
    metadata = {"step": "lf run", "": "", "a\nb: c": text, "quote": '"\\', "nul": "\0"}

    made = commit(
        store, "main", {"a": b"1"}, message=text, author="Ann <ann@x>", time=time, metadata=metadata
    )

    assert made == store.commit_at("main") == store.commit_at(made.id)
    assert made.parents == (head,)
    assert (made.message, made.author, made.metadata) == (text, "Ann <ann@x>", metadata)
    assert made.time == time
    assert made.time.utcoffset() == dt.timedelta(0)


def test_a_commit_changes_what_it_names_and_nothing_else(store: VersionStore) -> None:
    commit(store, "main", {"a/b/1": b"1", "a/b/2": b"2", "a/c": b"3", "d": b"4"})
    before = store.objects("main")

    commit(store, "main", {"a/b/1": b"new", "d": None, "e/f": b"5"})

    after = store.objects("main")
    assert {p: store.read(oid) for p, oid in after.items() if not p.startswith(OWN)} == {
        "a/b/1": b"new",
        "a/b/2": b"2",
        "a/c": b"3",
        "e/f": b"5",
    }
    assert store.objects("main~1") == before


def test_objects_under_a_prefix_are_those_that_start_with_it(store: VersionStore) -> None:
    commit(store, "main", dict.fromkeys(["a/b/1", "a/bc", "a/b2/3", "ab", "é/ü"], b""))

    assert list(store.objects("main", "a/b")) == ["a/b/1", "a/b2/3", "a/bc"]
    assert list(store.objects("main", "a/b/")) == ["a/b/1"]
    assert list(store.objects("main", "a/bc")) == ["a/bc"]
    assert list(store.objects("main", "é")) == ["é/ü"]
    assert store.objects("main", "z") == {}


def test_a_file_is_held_without_a_copy_under_the_id_of_its_bytes(
    store: VersionStore, tmp_path: Path
) -> None:
    """By a store on a disk of ours. The user's file is still there, and reads the same."""
    if not isinstance(store, Sharing):
        pytest.skip("a server holds no file of this machine")
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"rows")

    oid = store.put(store.share(path, hard_link=True))

    commit_objects = {"rows": oid}
    made = store.commit(
        "main",
        commit_objects,
        message="m",
        author="ann",
        time=START,
        expected=store.branches()["main"],
    )
    assert store.objects(made.id, "rows") == commit_objects
    assert oid == hashlib.sha256(b"rows").hexdigest()
    assert store.read(oid) == path.read_bytes() == b"rows"


def test_what_is_no_file_cannot_be_held_without_a_copy(store: VersionStore, tmp_path: Path) -> None:
    """A folder, or nothing."""
    if not isinstance(store, Sharing):
        pytest.skip("a server holds no file of this machine")

    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="is not a file"):
            store.share(path, hard_link=True)


def test_a_commit_on_a_head_that_moved_is_stale(store: VersionStore) -> None:
    old = store.branches()["main"]
    new = commit(store, "main", {"a": b"1"})

    with pytest.raises(StaleHead) as stale:
        commit(store, "main", {"b": b"2"}, expected=old)

    assert (stale.value.expected, stale.value.actual) == (old, new.id)
    assert store.branches() == {"main": new.id}


@pytest.mark.parametrize("files", [{}, {"a": b"1"}, {"nowhere": None}])
def test_a_commit_that_changes_nothing_is_refused(
    store: VersionStore, files: dict[str, bytes | None]
) -> None:
    commit(store, "main", {"a": b"1"})

    with pytest.raises(NothingToCommit) as error:
        commit(store, "main", files)

    assert error.value.hint


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "../a", "a/./b", ".git/x", "a\0b", "\ud800", "a/" * 5000 + "b"]
)
def test_a_path_that_cannot_be_in_a_commit_is_refused(store: VersionStore, path: str) -> None:
    head = store.branches()

    with pytest.raises(InputError):
        commit(store, "main", {path: b"1"})

    assert store.branches() == head


@pytest.mark.parametrize(
    "files",
    [
        {"a/b": b"", "a": b""},
        {"file/below": b""},
        {"folder": b""},
        {"folder": b"", "folder/1": None},
        {"new/a/b": b"", "new/a": b""},
    ],
)
def test_a_path_is_a_file_or_a_folder(store: VersionStore, files: dict[str, bytes | None]) -> None:
    commit(store, "main", {"file": b"", "folder/1": b"", "folder/2": b""})

    with pytest.raises(InputError, match="file and a folder"):
        commit(store, "main", files)


def test_a_file_gives_way_to_a_folder_in_one_commit(store: VersionStore) -> None:
    commit(store, "main", {"a": b"1", "b/1": b"2"})

    commit(store, "main", {"a": None, "a/x": b"3", "b": b"4", "b/1": None})

    assert {p for p in store.objects("main") if not p.startswith(OWN)} == {"a/x", "b"}


@pytest.mark.parametrize("oid", [NOWHERE, "", "../x", "main"])
def test_a_commit_of_bytes_never_put_is_refused(store: VersionStore, oid: str) -> None:
    head = store.branches()

    with pytest.raises(ObjectNotFound):
        store.commit("main", {"a": oid}, message="", author="", time=START, expected=head["main"])

    assert store.branches() == head


def test_a_time_without_a_zone_is_refused(store: VersionStore) -> None:
    with pytest.raises(InputError, match="zone"):
        commit(store, "main", {"a": b"1"}, time=START.replace(tzinfo=None))


@pytest.mark.parametrize("path", [VERDICT, OWN + "x", OWN.rstrip("/")])
def test_nobody_writes_a_verdict_by_a_commit(store: VersionStore, path: str) -> None:
    with pytest.raises(InputError, match="own"):
        commit(store, "main", {path: b"{}"})


PATHS = st.sampled_from(["a", "b/1", "b/2", "b/c/1", "b/c/2", "d/e/f/g", "é/1"])
CHANGES = st.dictionaries(PATHS, st.one_of(st.none(), st.binary(max_size=2)), max_size=4)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=st.lists(CHANGES, max_size=6))
def test_commits_hold_what_a_plain_mapping_would(
    make: Make,
    tmp_path_factory: pytest.TempPathFactory,
    sequence: list[dict[str, bytes | None]],
) -> None:
    store = make(tmp_path_factory.mktemp("repository"))
    plain = store.objects("main")
    for changes in sequence:
        before = dict(plain)
        for path, content in changes.items():
            plain.pop(path, None)
            if content is not None:
                plain[path] = hashlib.sha256(content).hexdigest()
        if plain != before:
            commit(store, "main", changes)

        assert store.objects("main") == plain


# Branches and refs


def test_a_branch_starts_where_it_is_cut_and_goes_its_own_way(store: VersionStore) -> None:
    first = commit(store, "main", {"a": b"1"})
    commit(store, "main", {"a": b"2"})

    assert store.create_branch("relabel/2", at="main~1") == first
    made = commit(store, "relabel/2", {"a": b"3"})

    assert store.branches()["relabel/2"] == made.id
    assert made.parents == (first.id,)
    assert store.objects("main") != store.objects("relabel/2")


def test_a_branch_that_exists_is_not_made_again(store: VersionStore) -> None:
    with pytest.raises(BranchExists):
        store.create_branch("main", at="main")


@pytest.mark.parametrize(
    "name", ["", "a b", "a..b", "-a", "a.lock", "deadbeef", "a~1", "ü", "refs/heads/a"]
)
def test_a_branch_has_a_plain_name(store: VersionStore, name: str) -> None:
    with pytest.raises(InputError):
        store.create_branch(name, at="main")


def test_a_store_remembers_where_a_guarded_branch_stood(guarded: VersionStore) -> None:
    """One head, as long as it goes on by commits; none of a branch that was never guarded."""
    if isinstance(guarded, OverlayVersionStore):
        pytest.skip("an overlay ends with its process, and is never audited")
    assert isinstance(guarded, Remembering)
    first = guarded.stood("main")

    made = merge(guarded, "work")

    assert first == [made.parents[0]]
    assert guarded.stood("main") == [made.id]
    assert guarded.stood("work") == []


def test_deleting_a_branch_keeps_its_history(store: VersionStore) -> None:
    store.create_branch("work", at="main")
    made = commit(store, "work", {"a": b"1"})

    store.delete_branch("work")

    assert list(store.branches()) == ["main"]
    assert store.commit_at(made.id) == made


def test_a_branch_that_is_not_there_is_not_found(store: VersionStore) -> None:
    with pytest.raises(BranchNotFound):
        store.delete_branch("nowhere")
    with pytest.raises(BranchNotFound):
        commit(store, "nowhere", {"a": b"1"}, expected=NOWHERE)
    with pytest.raises(BranchNotFound):
        store.propose(
            "main", into="nowhere", changes={}, message="", author="", time=START, expected=NOWHERE
        )


def test_a_ref_is_a_branch_an_id_a_prefix_or_an_ancestor(store: VersionStore) -> None:
    root = store.commit_at("main")
    first = commit(store, "main", {"a": b"1"})
    second = commit(store, "main", {"a": b"2"})

    assert store.commit_at("main") == second
    assert store.commit_at("main~0") == second
    assert store.commit_at("main~") == store.commit_at("main~1") == first
    assert store.commit_at("main~2") == root
    assert store.commit_at(second.id[:8]) == store.commit_at(second.id) == second
    assert store.commit_at(f"{second.id[:10]}~1") == first
    assert store.commit_at("main^") == store.commit_at("main^1") == first
    assert store.commit_at("main^^") == store.commit_at("main~^0~") == root


def test_the_second_parent_of_a_merge_is_its_source(store: VersionStore) -> None:
    store.create_branch("work", at="main")
    commit(store, "work", {"a": b"1"})
    work = commit(store, "work", {"a": b"2"})
    merge(store, "work")

    assert store.commit_at("main^2") == work
    assert store.commit_at("main^2~1") == store.commit_at("work^")


def test_a_tag_names_a_commit_for_good(store: VersionStore) -> None:
    first = commit(store, "main", {"a": b"1"})
    assert store.create_tag("v1.0", at="main") == first
    commit(store, "main", {"a": b"2"})

    assert store.tags() == {"v1.0": first.id}
    assert store.commit_at("v1.0") == store.commit_at("main~1") == first
    assert store.create_branch("again", at="v1.0") == first
    with pytest.raises(TagExists):
        store.create_tag("v1.0", at="main")

    store.delete_tag("v1.0")

    assert store.tags() == {}
    with pytest.raises(TagNotFound):
        store.delete_tag("v1.0")


def test_a_name_is_a_branchs_or_a_tags(store: VersionStore) -> None:
    """So that a ref means one commit."""
    store.create_tag("v1", at="main")

    with pytest.raises(TagExists):
        store.create_branch("v1", at="main")
    with pytest.raises(BranchExists):
        store.create_tag("main", at="main")
    with pytest.raises(InputError):
        store.create_tag("a b", at="main")
    with pytest.raises(RefNotFound):
        store.create_tag("v2", at="nowhere")


def test_changes_are_what_differs_between_two_refs(store: VersionStore) -> None:
    commit(store, "main", {"a": b"1", "b/1": b"1", "b/2": b"1", "c": b"1"})
    commit(store, "main", {"a": b"2", "b/1": None, "b/3": b"1"})

    found = store.changes("main~1", "main")

    assert found == changes_between(store.objects("main~1"), store.objects("main"))
    assert [change.path for change in found] == ["a", "b/1", "b/3"]
    assert [change.path for change in store.changes("main~1", "main", "b/")] == ["b/1", "b/3"]
    assert store.changes("main", "main") == []
    with pytest.raises(RefNotFound):
        store.changes("main", "nowhere")


def test_the_content_of_a_commit_is_the_same_however_it_came_about(store: VersionStore) -> None:
    """It names what is held outside `_datahub/`, not the history."""
    commit(store, "main", {"a": b"1", "b": b"2"})
    store.create_branch("other", at="main~1")
    commit(store, "other", {"b": b"0", "c": b"3"})
    commit(store, "other", {"a": b"1", "b": b"2", "c": None})

    assert store.content_of("other") == store.content_of("main")
    assert store.content_of("main") == content_id(store.objects("main"))
    assert store.content_of("main") != store.content_of("main~1")


def test_a_squashed_merge_has_one_parent_and_its_verdict_names_the_source(
    guarded: VersionStore,
) -> None:
    head, work = guarded.branches()["main"], guarded.branches()["work"]
    candidate = propose(guarded, "work", squash=True, metadata={"squashed": "work"})
    assert candidate.source == work

    made = guarded.land(candidate, passing(guarded, candidate))

    assert made.parents == (head,)
    assert made.metadata == {"squashed": "work", "verdict": "passed", "kind": "data"}
    landed = guarded.objects("main")
    assert Verdict.from_json(guarded.read(landed[VERDICT])).source == work
    assert guarded.read(landed["datasets/news/rows"]) == b"2"


@pytest.mark.parametrize(
    "ref",
    [
        *(
            "",
            "nowhere",
            "main~3",
            "main~" + "9" * 5000,
            "~",
            "main~x",
            "main~-1",
            "main~1~~",
            "main^2",
            "^",
        ),
        *("0" * 64, "0" * 7, "g" * 8, "main\n", "%", "'; DROP TABLE branch; --"),
    ],
)
def test_a_ref_that_names_nothing_is_not_found(store: VersionStore, ref: str) -> None:
    commit(store, "main", {"a": b"1"})
    commit(store, "main", {"a": b"2"})

    with pytest.raises(RefNotFound):
        store.commit_at(ref)


def test_seven_digits_are_too_few_for_an_id(store: VersionStore) -> None:
    with pytest.raises(RefNotFound):
        store.commit_at(store.branches()["main"][:7])


def test_the_log_shows_children_before_parents_whatever_the_clock_says(
    store: VersionStore,
) -> None:
    for name in ("one", "two"):
        store.create_branch(name, at="main")
        for i in range(3):
            commit(store, name, {f"{name}/{i}": b""}, time=START - dt.timedelta(days=i))
        merge(store, name)

    log = store.log("main")

    seen: set[str] = set()
    for entry in log:
        assert not seen & set(entry.parents)
        seen.add(entry.id)
    assert len(log) == len(seen) == 9
    assert store.log("main") == log
    assert store.log("main", limit=2) == log[:2]
    assert store.log("main", limit=0) == []


def test_a_log_of_a_prefix_is_what_differs_from_every_parent_there(store: VersionStore) -> None:
    """As git's log: a merge that took a folder from one of its sides did not change it."""
    commit(store, "main", {"a/1": b"1", "b/1": b"1", "ab": b"1"})
    store.create_branch("work", at="main")
    commit(store, "work", {"b/2": b"1"})
    commit(store, "main", {"a/2": b"2", "ab": b"2"})
    merge(store, "work")
    commit(store, "main", {"a/1": None, "b/1": b"3"})
    log = store.log("main")

    def changed(entry: Commit, prefix: str) -> bool:
        if not entry.parents:
            return bool(store.objects(entry.id, prefix))
        return all(store.changes(parent, entry.id, prefix) for parent in entry.parents)

    for prefix in ("a/", "a", "b/", "ab", "c/", OWN):
        touching = [entry for entry in log if changed(entry, prefix)]
        assert store.log("main", prefix=prefix) == touching
        assert store.log("main", prefix=prefix, limit=1) == touching[:1]
    assert len(store.log("main", prefix="a/")) == 3


def test_the_merge_base_is_the_best_common_ancestor(store: VersionStore) -> None:
    """Also when all commits carry one time."""
    fork = commit(store, "main", {"a": b"1"}, time=START)
    store.create_branch("work", at="main")
    for i in range(4):
        commit(store, "work", {"w": b"%d" % i}, time=START)
        commit(store, "main", {"m": b"%d" % i}, time=START)

    assert store.merge_base("work", "main") == store.merge_base("main", "work") == fork
    assert store.merge_base("work", "work~2") == store.commit_at("work~2")

    merge(store, "work")
    assert store.merge_base("work", "main") == store.commit_at("work")


@pytest.mark.parametrize("year", [1960, 2026])
def test_the_merge_base_does_not_trust_the_clock(store: VersionStore, year: int) -> None:
    """Children that claim to be older than their parents do not hide the better ancestor."""
    start = START.replace(year=year)
    old = commit(store, "main", {"a": b"1"}, time=start + dt.timedelta(days=9))
    for name in ("aside-1", "aside-2"):
        store.create_branch(name, at=old.id)
        commit(store, name, {name: b"1"}, time=start + dt.timedelta(days=8))
    for i in range(3):
        fork = commit(store, "main", {"a": b"x%d" % i}, time=start - dt.timedelta(days=i))
    for name in ("1", "2"):
        store.create_branch(f"work-{name}", at="main")
        merge(store, f"aside-{name}", into=f"work-{name}")

    assert store.merge_base("work-1", "work-2") == fork


# The guard


def test_a_branch_is_guarded_after_the_commit_that_binds_a_suite_to_it(
    store: VersionStore,
) -> None:
    bound = commit(store, "main", {SUITE: b"{}", GATES: GATE})

    with pytest.raises(Guarded) as refused:
        commit(store, "main", {"a": b"1"})

    assert refused.value.hint
    assert store.branches() == {"main": bound.id}


def test_only_the_branch_that_is_bound_is_guarded(guarded: VersionStore) -> None:
    made = commit(guarded, "work", {"datasets/news/rows": b"3", GATES: None})

    assert guarded.branches()["work"] == made.id


def test_taking_the_gate_off_needs_the_gate_too(guarded: VersionStore) -> None:
    with pytest.raises(Guarded):
        commit(guarded, "main", {GATES: None})
    with pytest.raises(Guarded):
        guarded.delete_branch("main")


def test_a_gates_file_that_cannot_be_read_is_not_committed(store: VersionStore) -> None:
    head = store.branches()

    with pytest.raises(ConfigError):
        commit(store, "main", {GATES: b"[[gate"})

    assert store.branches() == head


# Candidates


def test_nobody_sees_a_candidate_before_it_lands(guarded: VersionStore) -> None:
    before = guarded.branches(), guarded.log("main"), guarded.log("work")

    candidate = propose(guarded, "work")

    assert (guarded.branches(), guarded.log("main"), guarded.log("work")) == before
    assert candidate.judged_head == guarded.branches()["main"]
    assert candidate.source == guarded.branches()["work"]
    assert candidate.content_id == content_id(guarded.objects(candidate.id))


def test_what_was_judged_lands_with_its_verdict(guarded: VersionStore) -> None:
    candidate = propose(guarded, "work")
    judged = guarded.objects(candidate.id)
    verdict = passing(guarded, candidate)

    made = guarded.land(candidate, verdict)

    landed = guarded.objects("main")
    assert made == guarded.commit_at("main")
    assert made.parents == (candidate.judged_head, candidate.source)
    assert Verdict.from_json(guarded.read(landed[VERDICT])) == verdict
    assert {p: oid for p, oid in landed.items() if p != VERDICT} == judged
    assert made.metadata == {"verdict": "passed", "kind": "data"}
    assert made.message == "Merge work"
    assert candidate.id not in {entry.id for entry in guarded.log("main")}


def test_a_merge_is_a_merge_commit_even_where_it_could_be_a_move(store: VersionStore) -> None:
    store.create_branch("work", at="main")
    head, work = store.branches()["main"], commit(store, "work", {"a": b"1"})

    made = merge(store, "work")

    assert made.id != work.id
    assert made.parents == (head, work.id)


def test_merges_follow_one_another(guarded: VersionStore) -> None:
    """The second merge starts from the verdict of the first, and changes one file."""
    first = merge(guarded, "work")
    commit(guarded, "work", {"datasets/news/rows": b"3"})

    second = merge(guarded, "work")

    assert second.parents[0] == first.id
    assert guarded.read(guarded.objects("main")["datasets/news/rows"]) == b"3"


def test_a_candidate_lands_once(guarded: VersionStore) -> None:
    candidate = propose(guarded, "work")
    verdict = passing(guarded, candidate)
    made = guarded.land(candidate, verdict)

    with pytest.raises(NotFound):
        guarded.land(candidate, verdict)

    guarded.drop(candidate)
    assert guarded.branches()["main"] == made.id


def test_a_dropped_candidate_does_not_land(guarded: VersionStore) -> None:
    head = guarded.branches()
    candidate, other = propose(guarded, "work"), propose(guarded, "work")

    guarded.drop(candidate)
    guarded.drop(candidate)

    with pytest.raises(NotFound):
        guarded.land(candidate, passing(guarded, candidate))
    assert guarded.branches() == head
    guarded.land(other, passing(guarded, other))


def test_a_merge_does_not_land_on_a_head_that_moved(guarded: VersionStore) -> None:
    candidate, later = propose(guarded, "work"), propose(guarded, "work")
    guarded.land(later, passing(guarded, later))
    head = guarded.branches()

    with pytest.raises(StaleHead):
        guarded.land(candidate, passing(guarded, candidate))
    with pytest.raises(StaleHead):
        guarded.land(
            replace(candidate, judged_head=head["main"]),
            passing(guarded, candidate, judged_head=head["main"]),
        )

    assert guarded.branches() == head


def test_a_merge_of_a_head_that_moved_is_not_proposed(store: VersionStore) -> None:
    """What landed between reading the head and proposing is not undone by the merge."""
    store.create_branch("work", at="main")
    commit(store, "work", {"a": b"1"})
    read = store.branches()["main"]
    commit(store, "main", {"b": b"2"})

    with pytest.raises(StaleHead):
        propose(store, "work", changes={}, expected=read)


@pytest.mark.parametrize(
    "forged",
    [
        {"passed": False},
        {"content_id": NOWHERE},
        {"source": NOWHERE},
        {"judged_head": NOWHERE},
        {"suite_hash": NOWHERE},
        {"kind": "rules", "reason": "because"},
    ],
)
def test_a_verdict_lets_through_only_what_it_names(
    guarded: VersionStore, forged: dict[str, Any]
) -> None:
    head = guarded.branches()
    candidate = propose(guarded, "work")

    with pytest.raises(Guarded) as refused:
        guarded.land(candidate, passing(guarded, candidate, **forged))

    assert refused.value.hint
    assert guarded.branches() == head


@pytest.mark.parametrize("forged", [{"passed": False}, {"content_id": NOWHERE}])
def test_no_branch_takes_a_merge_on_another_merges_verdict(
    store: VersionStore, forged: dict[str, Any]
) -> None:
    store.create_branch("work", at="main")
    commit(store, "work", {"a": b"1"})
    candidate = propose(store, "work")

    with pytest.raises(Guarded):
        store.land(candidate, passing(store, candidate, **forged))


@pytest.mark.parametrize("field", ["content_id", "source"])
def test_a_candidate_is_what_was_proposed(guarded: VersionStore, field: str) -> None:
    """Neither the candidate in hand nor the verdict is trusted, even where they agree."""
    forged = replace(propose(guarded, "work"), **{field: NOWHERE})

    with pytest.raises(Guarded):
        guarded.land(forged, passing(guarded, forged))


def test_a_candidate_does_not_land_on_another_branch(guarded: VersionStore) -> None:
    commit(guarded, "work", {"datasets/news/rows": b"other"})
    guarded.create_branch("free", at="main")
    candidate = replace(propose(guarded, "work", into="free"), into="main")

    with pytest.raises(Guarded):
        guarded.land(candidate, passing(guarded, candidate))


def test_a_verdict_by_rules_that_changed_since_does_not_count(guarded: VersionStore) -> None:
    judged = passing(guarded, propose(guarded, "work")).suite_hash
    guarded.create_branch("rules", at="main")
    commit(guarded, "rules", {SUITE: b"{1}"})
    merge(guarded, "rules", kind="rules", reason="tighter")
    candidate = propose(guarded, "work")

    with pytest.raises(Guarded, match="rules"):
        guarded.land(candidate, passing(guarded, candidate, suite_hash=judged))


def test_rules_and_data_do_not_change_together(guarded: VersionStore) -> None:
    commit(guarded, "work", {SUITE: b"looser"})
    candidate = propose(guarded, "work")

    for fields in ({}, {"kind": "rules", "reason": "because"}):
        with pytest.raises(Guarded, match="together"):
            guarded.land(candidate, passing(guarded, candidate, **fields))


@pytest.mark.parametrize("new", [{SUITE: b"looser"}, {GATES: None}, {SUITE: None, GATES: None}])
def test_rules_change_alone_and_for_a_reason(
    guarded: VersionStore, new: dict[str, bytes | None]
) -> None:
    guarded.create_branch("rules", at="main")
    commit(guarded, "rules", new)
    candidate = propose(guarded, "rules")

    for fields in ({}, {"kind": "rules"}, {"kind": "rules", "reason": " \n"}):
        with pytest.raises(Guarded):
            guarded.land(candidate, passing(guarded, candidate, **fields))
    made = guarded.land(candidate, passing(guarded, candidate, kind="rules", reason="a typo"))

    assert made.metadata["kind"] == "rules"
    assert Verdict.from_json(guarded.read(guarded.objects("main")[VERDICT])).reason == "a typo"


def test_a_branch_is_free_after_its_gate_was_taken_off(guarded: VersionStore) -> None:
    guarded.create_branch("rules", at="main")
    commit(guarded, "rules", {GATES: None})
    merge(guarded, "rules", kind="rules", reason="a new project")

    commit(guarded, "main", {"datasets/news/rows": b"direct"})


def test_rules_that_bind_a_missing_suite_do_not_land(guarded: VersionStore) -> None:
    guarded.create_branch("rules", at="main")
    commit(guarded, "rules", {GATES: GATE + GATE.replace(b"labels.json", b"other.json")})
    candidate = propose(guarded, "rules")

    with pytest.raises(SuiteNotFound):
        guarded.land(candidate, passing(guarded, candidate, kind="rules", reason="more"))


def test_rules_that_cannot_be_read_do_not_land(guarded: VersionStore) -> None:
    candidate = propose(guarded, "work", changes={GATES: guarded.put(b"[[gate")})

    with pytest.raises(ConfigError):
        guarded.land(candidate, passing(guarded, candidate, kind="rules", reason="oops"))


def test_a_merge_into_a_free_branch_may_change_both(store: VersionStore) -> None:
    store.create_branch("work", at="main")
    commit(store, "work", {"a": b"1", SUITE: b"{}", GATES: GATE})

    merge(store, "work")

    with pytest.raises(Guarded):
        commit(store, "main", {"a": b"2"})


@pytest.mark.parametrize("path", [VERDICT, OWN + "format.json"])
def test_a_merge_brings_nothing_under_datahubs_own_folder(guarded: VersionStore, path: str) -> None:
    with pytest.raises(InputError, match="own"):
        propose(guarded, "work", changes={path: guarded.put(b"{}")})


def test_a_merge_of_bytes_never_put_is_not_proposed(guarded: VersionStore) -> None:
    with pytest.raises(ObjectNotFound):
        propose(guarded, "work", changes={"a": NOWHERE})
    with pytest.raises(RefNotFound):
        propose(guarded, NOWHERE, changes={})


def test_every_backend_is_built_here() -> None:
    """A backend in the registry without a builder is not tested: say so by failing."""
    assert BUILDERS.keys() == REGISTRY["version_store"].keys()
