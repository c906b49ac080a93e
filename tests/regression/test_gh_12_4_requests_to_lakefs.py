"""Resolving a ref on lakeFS costs one request at most, and an id that was seen costs none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.core.errors import RefNotFound
from tests.contract.test_version_store import START
from tests.lakefs_server import LakeFSServer


@pytest.fixture
def store(lakefs: LakeFSServer, tmp_path: Path) -> LakeFSVersionStore:
    """Three commits on `main`, `work` and the tag v1.0 at the last, as another process left it."""
    access = lakefs.new_repository(tmp_path)
    store = LakeFSVersionStore.create(**access, branch="main", author="ann", time=START)
    for number in range(2):
        store.commit(
            "main",
            {f"a/{number}": store.put(b"%d" % number)},
            message="m",
            author="ann",
            time=START,
            expected=store.branches()["main"],
        )
    store.create_branch("work", at="main")
    store.create_tag("v1.0", at="main")
    fresh = LakeFSVersionStore.at(**access)
    fresh.commit_at("main")  # the format of the repository is asked once
    return fresh


@pytest.fixture
def requests(caplog: pytest.LogCaptureFixture) -> Callable[[Callable[[], object]], int]:
    """How many requests an act takes."""

    def count(act: Callable[[], object]) -> int:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "datahub.adapters.versions_lakefs"):
            act()
        return len(caplog.records)

    return count


def test_a_ref_takes_one_request_and_an_id_none(
    store: LakeFSVersionStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    head = store.commit_at("main")

    assert requests(lambda: store.commit_at(head.id)) == 0
    assert requests(lambda: store.objects(head.id)) == 1
    assert requests(lambda: store.objects(head.id, "a/")) == 0
    assert requests(lambda: store.commit_at("main")) == 1
    assert requests(lambda: store.commit_at("work")) == 1
    assert requests(lambda: store.commit_at(head.id[:12])) == 1


def test_a_tag_that_was_seen_takes_one_request(
    store: LakeFSVersionStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    tagged = store.commit_at("v1.0")

    assert requests(lambda: store.commit_at("v1.0")) == 1
    assert store.commit_at("v1.0") == tagged

    store.delete_tag("v1.0")
    with pytest.raises(RefNotFound):
        store.commit_at("v1.0")
    store.create_branch("v1.0", at="main~1")
    assert store.commit_at("v1.0") == store.commit_at("main~1")


def test_what_differs_between_two_commits_is_asked_once(
    store: LakeFSVersionStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    new, old = store.log("main")[:2]
    changes = store.changes(old.id, new.id)

    assert requests(lambda: store.changes(old.id, new.id)) == 0
    changes.clear()
    assert [change.path for change in store.changes(old.id, new.id)] == ["a/1"]


def test_a_log_of_a_folder_asks_about_merges_and_the_beginning_alone(
    store: LakeFSVersionStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    """Of other commits the server says in one page which of them touched the folder."""
    for number in range(10):
        commit(store, {f"b/{number}": b"b"})
    store.log("main")

    assert requests(lambda: store.log("main", prefix="a/")) == 3  # the ref, a page, the beginning
    assert [entry.message for entry in store.log("main", prefix="a/")] == ["m", "m"]


def test_a_commit_asks_for_no_folder_that_was_listed_nor_for_those_above_it(
    store: LakeFSVersionStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    commit(store, {"x/y/z/file": b"1"})
    taken = requests(lambda: commit(store, {"x/y/z/more": b"2"}))
    store.objects("main", "x/y/z/")

    listed = requests(lambda: commit(store, {"x/y/z/third": b"3"}))

    assert listed == taken - 1


def commit(store: LakeFSVersionStore, contents: dict[str, bytes]) -> None:
    """Put contents on main, as another process would that knows the head."""
    changes = {path: store.put(content) for path, content in contents.items()}
    head = store.branches()["main"]
    store.commit("main", changes, message="other", author="ann", time=START, expected=head)
