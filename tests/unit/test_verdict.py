"""gates.toml and verdicts."""

from __future__ import annotations

import datetime as dt

import pytest

from datahub.core.errors import ConfigError
from datahub.core.verdict import CheckFailure, Verdict, gates_of, guards, refusing


@pytest.mark.parametrize(
    "text",
    [
        b"[[gate]\n",
        b"\xff\xfe",
        b"gate = 3",
        b"[other]\nx = 1",
        b'[[gate]]\nbranch = "main"',
        b'[[gate]]\nbranch = "main"\ndataset = "n"\nsuite = "s"\nextra = "x"',
        b'[[gate]]\nbranch = 3\ndataset = "n"\nsuite = "s"',
        b'[[gate]]\nbranch = "main"\ndataset = "n"\nsuite = "s"\ntable = "votes"',
    ],
)
def test_rules_that_cannot_be_understood_are_refused_with_an_example(text: bytes) -> None:
    """Nothing in gates.toml is passed over in silence."""
    with pytest.raises(ConfigError) as caught:
        gates_of(text)

    assert caught.value.hint


def test_only_the_branch_that_is_named_is_guarded() -> None:
    """Names are whole: no pattern, no prefix."""
    gates = gates_of(b'[[gate]]\nbranch = "main"\ndataset = "n"\nsuite = "expectations/s.json"')

    assert [gate.suite for gate in guards(gates, "main")] == ["expectations/s.json"]
    assert guards(gates, "mai") == guards(gates, "main2") == []


def test_a_verdict_comes_back_from_its_json_as_it_was() -> None:
    """Failures, times and reasons included."""
    failure = CheckFailure("s", "expect_x", "no", "news", "label", "0.5", "warning", ("7", "é"))
    time = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    verdict = Verdict(False, "c", "s", "h", "q", time, "rules", (failure,), 3, "because")

    assert Verdict.from_json(verdict.to_json()) == verdict
    with pytest.raises(ConfigError, match="version"):
        Verdict.from_json('{"format": 99}')


def test_only_critical_failures_refuse() -> None:
    """What a suite calls a warning is told and lets through; an unknown word refuses."""
    failures = [CheckFailure("s", "e", "m", severity=s) for s in ("critical", "warning", "odd")]

    assert [failure.severity for failure in refusing(failures)] == ["critical", "odd"]
