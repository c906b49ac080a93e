"""What a dataset is on disk: identities that must never change silently."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.core.dataset import (
    Dataset,
    Part,
    check_classes,
    checked_name,
    content_digest,
    content_hash,
)
from datahub.core.errors import InputError

PINNED: list[tuple[dict[str, object], str]] = [
    ({}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
    (
        {"text": "naïve £5", "n": 1},
        "f28b4e2ed6a8d96df429654067e5ac085d800301952210c85592bde5f1fb0856",
    ),
    (
        {"x": None, "f": 0.1, "b": True},
        "ee08bfb4a78df44c649e3ae10ad3a21986524a2a62ee2a770eafffd6f62cb036",
    ),
    (
        {"when": dt.datetime(2024, 1, 2, 3, 4, 5, 6), "raw": b"\xff", "d": Decimal("1.50")},
        "9bf8dd9fdca9c3cbced8778e620316480fccbb011ddb901c164514e69b2edb0e",
    ),
    (
        {"list": [1, None], "struct": {"b": 1, "a": "x"}},
        "ef0211ae45846935117483e59443a6ad3b2e3829c321f63fe2c8fc7fb1d4b628",
    ),
]
KEYS = ["9086ac114fd3cc52-0", "39b982bd6e75c1f5-0", "9086ac114fd3cc52-1"]

NEWS = Dataset(
    name="news",
    key="row_key",
    columns=(("row_key", "String"), ("text", "String"), ("n", "Int64")),
    parts=(Part("ab" * 32, 2, "a", "b"), Part("cd" * 32, 3, 7, 9)),
    classes=("sport", "tech é"),
    text="text",
    key_made=True,
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
rows = st.dictionaries(st.text(), scalars, max_size=4)


@pytest.mark.parametrize(
    ("row", "digest"),
    PINNED,
)
def test_content_hashes_are_what_they_were(row: dict[str, object], digest: str) -> None:
    """Annotations name rows by them: another value here orphans every answer ever given."""
    assert content_hash(row) == digest


def test_content_keys_are_what_they_were() -> None:
    """Keys made by import are on disk."""
    digests = [content_digest({"text": text}) for text in ("same", "other", "same")]

    assert digests == [key[:16] for key in KEYS]


@given(rows)
def test_column_order_does_not_matter(row: dict[str, object]) -> None:
    """Nor does it to the key."""
    turned = dict(reversed(row.items()))

    assert content_hash(turned) == content_hash(row)


@given(rows, rows)
def test_other_content_has_another_hash(one: dict[str, object], two: dict[str, object]) -> None:
    """Also where only the type differs: 1, 1.0, True and "1" are four contents."""
    alike = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)

    assert (content_hash(one) == content_hash(two)) == alike


def test_values_of_other_types_are_told_apart() -> None:
    """A date, its text, bytes and their text."""
    values: list[object] = [
        dt.date(2024, 1, 2),
        "2024-01-02",
        dt.datetime(2024, 1, 2),
        b"\x00",
        "00",
        Decimal("1.0"),
        "1.0",
        1,
        True,
        "1",
        None,
        "",
        [1],
        {"a": 1},
    ]

    assert len({content_hash({"v": value}) for value in values}) == len(values)


@pytest.mark.parametrize("hostile", ["\ud800", "\0", "é", "e\u0301", "x" * 100_000])
def test_hostile_text_has_a_hash(hostile: str) -> None:
    """Lone surrogates, NUL, both forms of é, and length."""
    assert len(content_hash({"v": hostile})) == 64
    assert content_hash({"v": hostile}) != content_hash({"v": ""})


def test_a_dataset_survives_json() -> None:
    """Keys keep their type: 7 is not "7"."""
    text = NEWS.to_json()

    assert Dataset.from_json(text) == NEWS
    assert Dataset.from_json(text.encode()).to_json() == text
    assert NEWS.rows == 5


def test_another_format_version_is_refused() -> None:
    """Never read halfway."""
    raw = json.loads(NEWS.to_json())

    for version in (1, 3, None, "2"):
        with pytest.raises(InputError, match="format version"):
            Dataset.from_json(json.dumps({**raw, "format": version}))


def test_a_made_key_is_no_content() -> None:
    """One that the user named is."""
    named = Dataset("news", "id", (("id", "Int64"), ("text", "String")), ())

    assert NEWS.content_columns == ("text", "n")
    assert named.content_columns == ("id", "text")


def test_127_classes_are_the_most() -> None:
    """Votes are int8."""
    names = [f"c{number}" for number in range(128)]

    assert check_classes(names[:127]) == tuple(names[:127])
    with pytest.raises(InputError, match="128 classes"):
        check_classes(names)


@pytest.mark.parametrize("classes", [[], ["ham"], ["ham", "ham"], ["ham", " ham "], ["ham", " "]])
def test_classes_that_cannot_be_told_apart_are_refused(classes: list[str]) -> None:
    """None, one, twice the same, or an empty name."""
    with pytest.raises(InputError) as caught:
        check_classes(classes)
    assert caught.value.hint


def test_classes_keep_their_order() -> None:
    """Class numbers are positions."""
    assert NEWS.with_classes(["tech", "sport"]).classes == ("tech", "sport")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-x", "a b", "a\n", "a\0", "é", "x" * 101],
)
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    """A dataset's name is a folder's name in every commit."""
    with pytest.raises(InputError):
        checked_name(name)


@pytest.mark.parametrize("name", ["a", "news-2024", "0.9_b", "x" * 100])
def test_plain_names_are_taken(name: str) -> None:
    """As they are."""
    assert checked_name(name) == name
