"""What a process that runs users' code may say: whatever it is, it is taken, or it is refused."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub import expression, keywords, lookup, prompt, regex, threshold
from datahub.adapters.lfs_folder.answers import parse_error, parse_output
from datahub.adapters.lfs_folder.descriptions import parse_lfs
from datahub.adapters.lfs_folder.messages import BadMessage, receive, send
from datahub.core.errors import DatahubError
from datahub.core.plain_lfs import describe, rebuild

FILES = {"lfs/a.py"}
TOLD: dict[str, Any] = {
    "name": "goal",
    "fingerprint": "0" * 64,
    "file": "lfs/a.py",
    "line": 1,
    "kind": "keywords",
    "safe": True,
    "label": 1,
    "class_names": [],
    "columns": ["text"],
    "plain": {"words": ["goal"], "column": "text", "at_least": 1, "label": 1},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def framed(text: bytes, content: bytes = b"", *, sign: bytes = b"datahub\n") -> bytes:
    return struct.pack(">8sIQ", sign, len(text), len(content)) + text + content


def test_a_message_comes_as_it_was_sent() -> None:
    pipe = io.BytesIO()
    send(pipe, {"votes": [1, "ü", None]}, b"\x01\x02")
    pipe.seek(0)

    assert receive(pipe, content=2) == ({"votes": [1, "ü", None]}, b"\x01\x02")
    with pytest.raises(EOFError):
        receive(pipe)


@pytest.mark.parametrize(
    "sent",
    [
        framed(b"{}", sign=b"nonsense"),
        framed(b"[]"),
        framed(b"{"),
        framed(b"\xff"),
        framed(b'{"a": NaN}'),
        framed(b'{"a": ' + b"9" * 5000 + b"}"),
        framed(b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        framed(b"{}", b"votes that nobody asked for"),
        struct.pack(">8sIQ", b"datahub\n", 2**32 - 1, 0) + b"{}",
        struct.pack(">8sIQ", b"datahub\n", 2, 2**63) + b"{}",
    ],
)
def test_what_is_no_message_is_refused(sent: bytes) -> None:
    with pytest.raises(BadMessage):
        receive(io.BytesIO(sent), content=3)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_none(sent: bytes) -> None:
    for whole in (sent, framed(sent)):
        try:
            told, _ = receive(io.BytesIO(whole))
        except (BadMessage, EOFError):
            continue
        assert isinstance(told, dict)


@given(JSON)
def test_any_json_is_a_description_or_none(told: Any) -> None:
    """On its own, and in the place of each part of a good one."""
    tried = [told, [told], *([{**TOLD, name: told}] for name in TOLD)]
    tried += [[{**TOLD, "plain": {**TOLD["plain"], name: told}}] for name in TOLD["plain"]]
    for one in tried:
        try:
            lfs = parse_lfs(one, files=FILES)
        except BadMessage:
            continue
        assert all(lf.found.file in FILES and len(lf.found.fingerprint) == 64 for lf in lfs)


def test_a_good_description_is_believed() -> None:
    (told,) = parse_lfs([TOLD], files=FILES)

    assert told.lf == keywords("goal", ["goal"], 1)
    assert (told.found.name, told.columns) == ("goal", ("text",))


@pytest.mark.parametrize(
    "changed",
    [
        {"file": ".datahub/versions.db"},
        {"file": "../.ssh/id_rsa"},
        {"name": "a b"},
        {"name": "x" * 5000},
        {"fingerprint": "../../x"},
        {"kind": "\x1b[2J"},
        {"label": 127},
        {"line": -1},
        {"kind": "regex", "plain": {"pattern": "(?=a)", "column": "text", "label": 1}},
        {"kind": "regex", "plain": {"pattern": "(", "column": "text", "label": 1}},
        {"kind": "regex in Python", "plain": {"pattern": "a", "column": "text", "label": 1}},
        {"plain": {**TOLD["plain"], "where": {"AnonymousFunction": {"input": []}}}},
        {"kind": "prompt", "plain": {"template": "{text}"}},
    ],
)
def test_a_description_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        parse_lfs([{**TOLD, **changed}], files=FILES)


def test_one_name_twice_and_no_lf_at_all_are_refused() -> None:
    refused: list[Any] = [[TOLD, TOLD], [], {}, None]
    for told in refused:
        with pytest.raises(BadMessage):
            parse_lfs(told, files=FILES)


def test_no_pattern_of_a_description_runs_in_python() -> None:
    """A search of Python's own may take years over one text."""
    assert describe(regex("slow", r"(?=.)(\w+\s?)+@", 1)) is None


PLAIN = [
    keywords("k", ["free kick", "goal"], 1, at_least=2, where=pl.col("n") > 1),
    regex("r", r"£\d+", 0, ignore_case=False),
    lookup("l", {"b": 1, "a": 0}, column="text"),
    lookup("i", {3: 1, 1: 0}, column="n"),
    lookup("b", {True: 1}, column="yes"),
    threshold("t", "n", 1, above=1, below=2.5),
    expression("short", pl.col("text").str.len_chars() < 36, 1),
    expression("e", pl.when(pl.col("n") > 1).then(1).otherwise(0)),
    expression("c", ~pl.col("text").str.contains("a|b") & pl.col("n").is_between(1, 3), 0),
    expression("s", pl.col("text").str.to_lowercase().str.starts_with("a") | (pl.col("n") == 2), 0),
    prompt("p", "Spam? {text}", answers={"Yes": 1, "no": "ham"}, model="small"),
]


@pytest.mark.parametrize("lf", PLAIN, ids=lambda lf: lf.name)
def test_a_plain_lf_comes_back_as_it_was(lf: Any) -> None:
    there = json.loads(json.dumps(describe(lf)))

    back = rebuild(lf.name, lf.kind, there)

    assert back == lf
    rows = pl.DataFrame(
        {"text": ["A goal", "£3", None], "n": [1, 2, 3], "yes": [True, False, None]}
    )
    if lf.kind != "prompt":
        assert back.votes(rows).to_list() == lf.votes(rows).to_list()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "lf",
    [
        expression("p", pl.col("text").map_elements(len, return_dtype=pl.Int64) > 3, 1),
        expression("all", (pl.col("^t.*$").str.len_chars() > 3) & (pl.col("n") > 1), 1),
        expression("day", pl.col("day") > pl.lit("2020-01-01").str.to_date(), 1),
        expression("mean", pl.col("n") > pl.col("n").mean(), 1),
        threshold("inf", "n", 1, below=float("inf")),
        lookup("big", {f"{number:032}": 1 for number in range(40_000)}, column="text"),
    ],
    ids=lambda lf: lf.name,
)
def test_what_is_not_plain_stays_where_its_code_is(lf: Any) -> None:
    assert describe(lf) is None


KEYS = pl.Series("id", ["a", "b", "c"])
ANSWER: dict[str, Any] = {"counts": [0, 1], "faults": [[1, 2, "ValueError: x", "lfs/a.py:3"]]}
VOTES = np.array([[0, 1], [-1, 1], [1, -1]], dtype=np.int8)


def test_a_good_answer_is_believed() -> None:
    said = parse_output(ANSWER, VOTES.tobytes(), KEYS, ["x", "y"], 2)

    assert said.votes.tolist() == VOTES.tolist()
    assert [(one.lf, one.key, one.where) for one in said.faults] == [("y", "c", "lfs/a.py:3")]


@pytest.mark.parametrize(
    ("told", "votes"),
    [
        (ANSWER, b""),
        (ANSWER, VOTES.tobytes() + b"\0"),
        (ANSWER, VOTES.tobytes()[:-1] + b"\x02"),
        (ANSWER, VOTES.tobytes()[:-1] + b"\xfe"),
        ({**ANSWER, "counts": [0]}, VOTES.tobytes()),
        ({**ANSWER, "counts": [0, 4]}, VOTES.tobytes()),
        ({**ANSWER, "counts": [0, -1]}, VOTES.tobytes()),
        ({**ANSWER, "counts": [0, True]}, VOTES.tobytes()),
        ({**ANSWER, "faults": [[1, 3, "", ""]]}, VOTES.tobytes()),
        ({**ANSWER, "faults": [[2, 0, "", ""]]}, VOTES.tobytes()),
        ({**ANSWER, "faults": [[-1, 0, "", ""]]}, VOTES.tobytes()),
        ({**ANSWER, "faults": [[0, 0, "x" * 9999, ""]]}, VOTES.tobytes()),
        ({**ANSWER, "faults": [[0, 0, "", ""]] * 41}, VOTES.tobytes()),
    ],
)
def test_an_answer_that_cannot_be_is_refused(told: dict[str, Any], votes: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_output(told, votes, KEYS, ["x", "y"], 2)


@given(JSON, st.binary(max_size=8))
def test_any_json_is_an_answer_or_none(told: Any, votes: bytes) -> None:
    for one in (told if isinstance(told, dict) else {}, *({**ANSWER, n: told} for n in ANSWER)):
        try:
            said = parse_output(one, votes, KEYS, ["x", "y"], 2)
        except BadMessage:
            continue
        assert said.votes.shape == (3, 2)
        assert -1 <= said.votes.min() <= said.votes.max() < 2


@given(JSON)
def test_any_json_is_a_refusal_or_none(told: Any) -> None:
    good = {"code": "config", "message": "m", "hint": "h", "lf": "", "key": 1}
    for one in (told, *({**good, name: told} for name in good)):
        try:
            error = parse_error(one)
        except BadMessage:
            continue
        assert isinstance(error, DatahubError)
        error.message.encode()
