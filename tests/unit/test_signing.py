"""Signatures of verdicts: whose they are, and of what."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import fields, replace
from typing import Any

import pytest

from datahub.core.errors import ConfigError
from datahub.core.signing import is_signed, key_id, secret_for, secrets_of, sign_verdict
from datahub.core.verdict import CheckFailure, Verdict, signed_by

SECRET, OTHER = "s" * 32, "t" * 32
VERDICT = Verdict(
    passed=True,
    content_id="c" * 64,
    source="a" * 64,
    judged_head="b" * 64,
    suite_hash="d" * 64,
    time=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    checks=3,
)
OTHERWISE: dict[str, Any] = {
    "passed": False,
    "content_id": "e" * 64,
    "source": "e" * 64,
    "judged_head": "e" * 64,
    "suite_hash": "e" * 64,
    "time": dt.datetime(2026, 1, 3, tzinfo=dt.UTC),
    "kind": "rules",
    "failures": (CheckFailure("labels", "expect_x", "bad"),),
    "checks": 4,
    "reason": "because",
    "into": "loose",
    "signature": f"{key_id(SECRET)}:{'0' * 64}",
}


def test_a_signed_verdict_comes_back_as_it_was_written() -> None:
    made = sign_verdict(VERDICT, "main", SECRET)

    read = Verdict.from_json(made.to_json())

    assert read == made
    assert is_signed(read.to_json(), "main", SECRET)


def test_signing_again_changes_nothing() -> None:
    made = sign_verdict(VERDICT, "main", SECRET)

    assert sign_verdict(made, "main", SECRET) == made


@pytest.mark.parametrize("name", [field.name for field in fields(Verdict) if field.compare])
def test_no_field_can_be_changed_under_a_signature(name: str) -> None:
    """All that are written: a field that is added has to be signed, too (results are not)."""
    made = replace(sign_verdict(VERDICT, "main", SECRET), **{name: OTHERWISE[name]})

    assert not is_signed(made.to_json(), "main", SECRET)


def test_a_signature_is_of_one_branch_and_one_secret() -> None:
    made = sign_verdict(VERDICT, "main", SECRET)

    assert not is_signed(made.to_json(), "release", SECRET)
    assert not is_signed(made.to_json(), "main", OTHER)
    assert not is_signed(VERDICT.to_json(), "main", SECRET)
    assert not is_signed(replace(made, signature="\u00fc").to_json(), "main", SECRET)


def test_a_field_that_this_datahub_does_not_know_is_signed_too() -> None:
    """Verdicts of today can be told by what comes, and those to come by it cannot be added to."""
    raw = {**json.loads(sign_verdict(VERDICT, "main", SECRET).to_json()), "more": 1}

    assert not is_signed(json.dumps(raw), "main", SECRET)
    del raw["more"]
    assert is_signed(json.dumps(raw), "main", SECRET)


@pytest.mark.parametrize("name", ["checks", "signature", "source"])
@pytest.mark.parametrize("value", ["NaN", '"\\ud800"', "1e999", "null"])
def test_what_nobody_signs_is_not_signed(name: str, value: str) -> None:
    raw = json.loads(sign_verdict(VERDICT, "main", SECRET).to_json())
    written = json.dumps({**raw, name: "HERE"}).replace('"HERE"', value)

    assert not is_signed(written, "main", SECRET)


def test_a_verdict_without_a_signature_is_written_as_ever() -> None:
    raw = json.loads(VERDICT.to_json())

    assert raw["format"] == 1
    assert "signature" not in raw
    assert json.loads(sign_verdict(VERDICT, "main", SECRET).to_json())["format"] == 2


@pytest.mark.parametrize(
    "change", [{"format": 1, "signature": "x"}, {"format": 2}, {"format": 3, "signature": "x"}]
)
def test_a_format_and_what_it_holds_belong_together(change: dict[str, Any]) -> None:
    raw = {**json.loads(VERDICT.to_json()), **change}

    with pytest.raises(ConfigError, match="format version"):
        Verdict.from_json(json.dumps(raw))


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "5",
        '"x"',
        '{"format": 1, "passed": "no"}',
        '{"format": 1, "passed": 1}',
        '{"format": 1, "passed": true, "reason": 5}',
    ],
)
def test_what_is_no_verdict_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no verdict"):
        Verdict.from_json(text)


def test_the_secret_that_the_rules_name_is_found_among_several() -> None:
    known = secrets_of(f" {OTHER}\n{SECRET} ")

    assert secret_for(key_id(SECRET), known) == SECRET
    assert secret_for(key_id(OTHER), known) == OTHER
    assert secrets_of("") == {}


def test_a_missing_secret_and_a_wrong_one_are_told_apart_and_never_printed() -> None:
    with pytest.raises(ConfigError, match="DATAHUB_VERDICT_SECRET is not set"):
        secret_for(key_id(SECRET), {})
    with pytest.raises(ConfigError, match=f"holds '{key_id(OTHER)}'") as caught:
        secret_for(key_id(SECRET), secrets_of(OTHER))
    assert OTHER not in str(caught.value)
    assert OTHER not in str(caught.value.hint)


def test_a_secret_that_could_be_guessed_is_refused_and_not_printed() -> None:
    with pytest.raises(ConfigError, match="less than 32") as caught:
        secrets_of("hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ['""', "true", '"C809456D96BC2090"', "[]", '"secret"'])
def test_rules_name_a_secret_by_its_id_alone(value: str) -> None:
    with pytest.raises(ConfigError, match="no id of a secret"):
        signed_by(f"signed_by = {value}".encode())
