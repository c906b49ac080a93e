"""Reports of a verdict in CI."""

from __future__ import annotations

import datetime as dt
from xml.etree import ElementTree

import pytest

from datahub.core.gate_report import github_lines, junit, markdown, rows_of
from datahub.core.verdict import KEYS_TOLD, CheckFailure, Verdict

HOSTILE = 'a|b `c` <d> & "e" % \x00\x1b[1m ünï\n::error::f\ud800'


def verdict(*failures: CheckFailure, checks: int = 3) -> Verdict:
    refused = any(one.severity == "critical" for one in failures)
    time = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    return Verdict(not refused, "c", "5" * 64, "h", "q", time, "data", failures, checks)


def failure(severity: str = "critical", text: str = "few", *keys: str) -> CheckFailure:
    return CheckFailure(
        "expectations/labels.json", "expect_x", text, "mail", "label", "0.5", severity, keys
    )


def test_rows_are_named_and_so_is_that_there_may_be_more() -> None:
    assert rows_of(failure()) == ""
    assert rows_of(failure("critical", "few", "7", "9")) == "rows 7, 9"
    assert rows_of(failure("critical", "few", *"x" * KEYS_TOLD)).endswith("x, ... (the first 20)")


def test_junit_counts_what_refuses_and_shows_the_rows() -> None:
    suite = ElementTree.fromstring(
        junit(verdict(failure("critical", "bad", "7"), failure("warning")), source="w", into="main")
    )

    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    refused, warned, met = suite
    assert (refused.get("classname"), refused.get("name")) == (
        "mail.expectations/labels.json",
        "expect_x of label",
    )
    assert refused[0].tag == "failure"
    assert "rows 7" in str(refused[0].text)
    assert warned[0].tag == "system-out"
    assert met.get("name") == "1 met"


def test_markdown_is_one_table_with_a_line_a_failure() -> None:
    told = markdown(verdict(failure("critical", "bad", "7", "8")), source="w", into="main")

    assert told.startswith("### Gate of `main`: refused\n\n`w` (555555555555) met 2 of 3")
    assert told.splitlines()[-1].endswith("| bad | 7, 8 |")


def test_annotations_tell_errors_from_warnings() -> None:
    error, warning = github_lines(
        verdict(failure("critical", "bad", "7"), failure("warning")), source="w", into="main"
    )

    assert error.startswith("::error title=Gate of main refused w%3A expect_x::bad rows 7 (")
    assert warning.startswith("::warning title=Gate of main refused w%3A expect_x::few (")


@pytest.mark.parametrize("source", ["work", HOSTILE])
def test_no_report_is_broken_by_what_data_and_branches_are_called(source: str) -> None:
    """A value, a key or a name cannot make a line, a cell or a tag of its own."""
    hostile = verdict(failure("critical", HOSTILE, HOSTILE, "7"))

    suite = ElementTree.fromstring(junit(hostile, source=source, into="main"))
    table = markdown(hostile, source="w", into="main").split("\n\n")[2].splitlines()
    annotations = github_lines(hostile, source=source, into="main")

    assert [case.tag for case in suite] == ["testcase", "testcase"]
    assert len(table) == 3
    assert table[2].replace("\\|", "").count("|") == 7
    assert "<d>" not in table[2]
    assert len(annotations) == 1
    assert len(annotations[0].splitlines()) == 1


def test_a_gate_that_passed_reports_too() -> None:
    suite = ElementTree.fromstring(junit(verdict(), source="w", into="main"))

    assert [case.get("name") for case in suite] == ["3 met"]
    assert github_lines(verdict(), source="w", into="main") == []
    assert "met 3 of 3" in markdown(verdict(), source="w", into="main")
