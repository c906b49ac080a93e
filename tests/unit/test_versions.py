"""Trees, three-way merges of whole objects, and names."""

from __future__ import annotations

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
    suite_hash,
    three_way,
    touches,
)

TREES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"), max_size=4)


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
    merged, conflicts = three_way(base, ours, theirs)

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
    assert three_way(base, base, changed) == (changed, [])
    assert three_way(base, changed, base) == (changed, [])


def test_our_own_objects_are_never_taken_from_the_other_side() -> None:
    """A verdict speaks of the history it stands in."""
    assert three_way({}, {}, {"_datahub/verdict.json": "1"}) == ({}, [])


def test_a_content_id_names_content_and_place() -> None:
    """Another path, another id; datahub's own objects do not count."""
    assert content_id({"a": "1"}) != content_id({"b": "1"})
    assert content_id({"a": "1"}) != content_id({"a": "2"})
    assert suite_hash({"a": "1", "expectations/s.json": "2"}) == suite_hash(
        {"expectations/s.json": "2"}
    )


def test_rules_and_data_are_told_apart() -> None:
    """A verdict is neither."""
    rules, data, own = (
        Change(path, None, "1")
        for path in ("expectations/gates.toml", "datasets/n/rows/0", "_datahub/verdict.json")
    )

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
