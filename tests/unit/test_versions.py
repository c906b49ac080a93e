"""Trees, three-way merges of whole objects, and names."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.errors import InputError
from datahub.core.versions import (
    Change,
    changes_between,
    checked_branch,
    checked_path,
    content_id,
    merged_changes,
    suite_hash,
    touches,
)

TREES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"), max_size=4)


def applied(objects: dict[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """A tree after changes."""
    made: dict[str, str | None] = {**objects, **changes}
    return {path: oid for path, oid in made.items() if oid is not None}


@given(TREES, TREES)
def test_changes_turn_the_old_tree_into_the_new(old: dict[str, str], new: dict[str, str]) -> None:
    """Applying the difference gives the other side."""
    made = dict(old)
    for change in changes_between(old, new):
        assert change.old != change.new
        made.pop(change.path, None)
        if change.new is not None:
            made[change.path] = change.new

    assert made == new


@given(TREES, TREES, TREES)
def test_a_three_way_merge_takes_each_sides_own_changes(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    """Path by path: the side that changed it wins; both differently is a conflict."""
    changes, conflicts = merged_changes(changes_between(base, ours), changes_between(base, theirs))
    merged = applied(ours, changes)

    for path in "abcd":
        was, our, their = base.get(path), ours.get(path), theirs.get(path)
        if our == their or their == was:
            expected = our
        elif our == was:
            expected = their
        else:
            assert path in conflicts
            expected = our
        assert merged.get(path) == expected
    assert all(ours.get(path) != theirs.get(path) for path in conflicts)


@given(TREES, TREES)
def test_merging_what_one_side_alone_changed_never_conflicts(
    base: dict[str, str], changed: dict[str, str]
) -> None:
    """The other side is the merge."""
    alone = changes_between(base, changed)

    assert applied(base, merged_changes([], alone)[0]) == changed
    assert merged_changes([], alone)[1] == []
    assert merged_changes(alone, []) == ({}, [])


def test_our_own_objects_are_never_taken_from_the_other_side() -> None:
    """A verdict speaks of the history it stands in."""
    assert merged_changes([], [Change("_datahub/verdict.json", None, "1")]) == ({}, [])


def test_a_content_id_names_content_and_place() -> None:
    """Another path, another id; datahub's own objects do not count."""
    one, two = "1" * 64, "2" * 64
    assert content_id({"a": one}) != content_id({"b": one})
    assert content_id({"a": one}) != content_id({"a": two})
    assert content_id({"a": one}) == content_id({"a": one, "_datahub/verdict.json": two})
    assert suite_hash({"a": one, "expectations/s.json": two}) == suite_hash(
        {"expectations/s.json": two}
    )


def test_rules_and_data_are_told_apart() -> None:
    """A verdict is neither."""
    rules, data, own = "expectations/gates.toml", "datasets/n/rows/0", "_datahub/verdict.json"

    assert touches([rules, own]) == (True, False)
    assert touches([data, own]) == (False, True)
    assert touches([rules, data]) == (True, True)
    assert touches([own]) == (False, False)


@pytest.mark.parametrize(
    "name", ["", "-x", "a..b", "a//b", "a/", "x.lock", "deadbeef", "a b", "ü", "a~1", "/a"]
)
def test_a_name_that_git_users_would_not_expect_is_refused(name: str) -> None:
    """Names stay unambiguous beside ids and `ref~n`."""
    with pytest.raises(InputError, match="branch"):
        checked_branch(name)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../b", "a//b", "./a", ".git/config", "a\0"])
def test_a_path_that_leaves_the_tree_is_refused(path: str) -> None:
    """Nothing is written outside."""
    with pytest.raises(InputError, match="path"):
        checked_path(path)
