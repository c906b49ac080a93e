"""Reports of a verdict in CI."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from datahub.core.check_result import CheckResult, ChecksNotRun, State
from datahub.core.ci_outcome import CIResult
from datahub.core.errors import Conflict, GateError
from datahub.core.gate_html import GATE_REPORTS as REPORTS
from datahub.core.gate_html import ci_html, gate_html
from datahub.core.gate_outcome import (
    Outcome,
    Place,
    error_without_cells,
    line_of,
    rows_of,
    without_cells,
)
from datahub.core.gate_report import (
    COMMENT_LIMIT,
    github_lines,
    json_report,
    junit,
    markdown,
)
from datahub.core.label_change import DatasetChange, LFLine, LFMove, Move, Side
from datahub.core.labels import LFSummary
from datahub.core.rules_change import RulesChange
from datahub.core.verdict import KEYS_TOLD, CheckFailure, Verdict

PAGE_TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "span", "p", "br"}
PAGE_TAGS |= {"ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "code", "wbr"}
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
        junit(Outcome("w", "main", verdict(failure("critical", "bad", "7"), failure("warning"))))
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
    told = markdown(Outcome("w", "main", verdict(failure("critical", "bad", "7", "8"))))

    assert told.startswith("### Gate of `main`: refused\n\n`w` (555555555555) met 2 of 3")
    assert told.splitlines()[-1].endswith("| `bad` | `7, 8` |")


def test_annotations_tell_errors_from_warnings() -> None:
    error, warning = github_lines(
        Outcome("w", "main", verdict(failure("critical", "bad", "7"), failure("warning")))
    )

    assert error.startswith("::error title=Gate of main refused w%3A expect_x::bad rows 7 (")
    assert warning.startswith("::warning title=Gate of main warns of w%3A expect_x::few (")


@pytest.mark.parametrize("source", ["work", HOSTILE])
def test_no_report_is_broken_by_what_data_and_branches_are_called(source: str) -> None:
    """A value, a key or a name cannot make a line, a cell or a tag of its own."""
    hostile = verdict(failure("critical", HOSTILE, HOSTILE, "7"))

    suite = ElementTree.fromstring(junit(Outcome(source, "main", hostile)))
    table = markdown(Outcome("w", "main", hostile)).split("\n\n")[2].splitlines()
    annotations = github_lines(Outcome(source, "main", hostile))

    assert [case.tag for case in suite] == ["testcase", "testcase"]
    assert len(table) == 3
    assert table[2].replace("\\|", "").count("|") == 7
    assert "<d>" not in re.sub("`+ .*? `+|`[^`]*`", "", table[2])  # markup in code alone
    assert len(annotations) == 1
    assert len(annotations[0].splitlines()) == 1


def test_a_gate_that_passed_reports_too() -> None:
    suite = ElementTree.fromstring(junit(Outcome("w", "main", verdict())))

    assert [case.get("name") for case in suite] == ["3 met"]
    assert github_lines(Outcome("w", "main", verdict())) == []
    assert "met 3 of 3" in markdown(Outcome("w", "main", verdict()))


def test_what_could_not_be_judged_is_no_pass_in_any_report() -> None:
    outcome = Outcome("w", "main", error=GateError("It has `no` column <x>.", hint="Fix it."))

    suite = ElementTree.fromstring(junit(outcome))
    told = json.loads(json_report(outcome))

    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "1")
    assert suite[0][0].get("message") == "It has `no` column <x>."
    assert markdown(outcome).startswith("### Gate of `main`: could not run\n\n`w` was not judged")
    assert (told["state"], told["verdict"], told["error"]["code"]) == (
        "could not run",
        None,
        "gate_could_not_run",
    )
    assert github_lines(outcome) == [
        "::error title=Gate of main could not run::It has `no` column <x>. Fix it."
    ]
    for report in REPORTS.values():
        assert "could not run" in report(Outcome("w", "main"))  # as of a run that was killed


@pytest.mark.parametrize(
    "text",
    [
        "@someone",
        "see https://evil.example",
        "#12",
        "![x](https://e.example/i.png)",
        "`@a` @b",
        "a\\|b @c",
        "``` @d",
        "</code> @e",
        "<img src=x>",
    ],
)
def test_no_text_of_the_data_is_more_than_code_in_markdown(text: str) -> None:
    """In code GitHub makes no mention, no link, no reference and no image."""
    told = markdown(Outcome("w", "main", verdict(failure("critical", text, text))))

    row = told.splitlines()[-1].replace("\\|", "!")
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert len(cells) == 6
    for cell in cells:
        fence = re.match("`+", cell)
        assert fence is not None
        inner = cell[len(fence[0]) : -len(fence[0])]
        assert cell.endswith(fence[0])
        assert fence[0] not in re.findall("`+", inner)


def test_a_comment_is_never_too_long_and_counts_what_it_leaves_out() -> None:
    minor = [failure("warning", "x" * 5000, "k" * 5000) for _ in range(100)]
    told = markdown(Outcome("w", "main", verdict(*minor, failure("critical", "bad"), checks=200)))

    assert len(told) <= COMMENT_LIMIT
    rows = [line for line in told.splitlines() if line.startswith("| `")]
    assert rows[0].startswith("| `critical` |")
    assert told.endswith(f"\n{101 - len(rows)} more did not fit here.\n")


def test_at_most_ten_annotations_and_what_refuses_comes_first() -> None:
    minor = [failure("warning", f"few {n}") for n in range(30)]
    refused = Outcome("w", "main", verdict(*minor, failure("critical", "bad")))

    lines = github_lines(refused)

    assert len(lines) == 10
    assert lines[0].startswith("::error ")
    assert lines[-1] == "::warning title=Gate of main%3A 22 more::The report has all 31 of them."


def test_an_annotation_stands_at_its_line_of_the_suite() -> None:
    suite = json.dumps(
        {
            "name": "x",
            "expectations": [
                {"type": "expect_x", "kwargs": {"column": "other"}},
                {"type": "expect_x", "kwargs": {"column": "label"}},
            ],
        },
        indent=1,
    )
    line = line_of(failure(), suite)

    assert '"label"' in suite.splitlines()[line + 1]
    assert line_of(failure(), "no JSON") == line_of(failure(), "[]") == 1
    refused = Outcome("w", "main", verdict(failure()))
    (told,) = github_lines(refused, {failure(): Place("a,b.json", line)})
    assert told.startswith(f"::error file=a%2Cb.json,line={line},title=")


def test_two_checks_of_one_type_and_column_have_names_of_their_own() -> None:
    suite = ElementTree.fromstring(
        junit(Outcome("w", "main", verdict(failure(), failure("warning"), failure())))
    )
    names = [case.get("name") for case in suite]
    assert names == ["expect_x of label", "expect_x of label (2)", "expect_x of label (3)"]


def test_with_keys_alone_no_value_of_the_data_is_told() -> None:
    counted = '3 of 2,000 values (0.1%) are unexpected, e.g. "secret"'
    one = CheckFailure("s", "expect_x", f"Expected y; {counted}.", "m", "c", counted, keys=("7",))
    other = CheckFailure("s", "expect_x", "Expected z; observed 4711.", "m", "c", "observed 4711")

    told = without_cells(verdict(one, other))

    assert [failure.message for failure in told.failures] == [
        "Expected y; 3 of 2,000 values (0.1%) are unexpected.",
        "Expected z; not met.",
    ]
    assert told.failures[0].keys == ("7",)
    assert without_cells(told) == told
    for report in REPORTS.values():
        assert not {"secret", "4711"} & set(re.findall(r"\w+", report(Outcome("w", "main", told))))
    quoted = error_without_cells(GateError("could not convert 'secret'", hint="secret"))
    assert "secret" not in quoted.message + quoted.hint
    assert error_without_cells(Conflict("x")).message == "x"


def result(state: State, message: str, notes: str = "") -> CheckResult:
    return CheckResult(
        "expectations/labels.json",
        "expect_x",
        state,
        message,
        "mail",
        "label",
        observed=message,
        notes=notes,
        engine="polars",
    )


def test_passed_expectations_are_listed_with_what_was_observed() -> None:
    results = (result("passed", "observed 0.45", "Since May."), result("passed", "0 of 9 values"))
    outcome = Outcome("w", "main", replace(verdict(checks=2), results=results))

    suite = ElementTree.fromstring(junit(outcome))
    told = json.loads(json_report(outcome))

    assert [case.get("name") for case in suite] == ["expect_x of label", "expect_x of label (2)"]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")
    assert "observed 0.45 Notes: Since May." in markdown(outcome)
    assert [one["observed"] for one in told["results"]] == ["observed 0.45", "0 of 9 values"]
    assert "results" not in told["verdict"]


def test_what_could_not_run_stands_beside_the_other_results() -> None:
    found = [result("passed", "met"), result("could not run", "no column"), result("failed", "bad")]
    outcome = Outcome("w", "main", error=ChecksNotRun(found))

    suite = ElementTree.fromstring(junit(outcome))

    assert outcome.state == "could not run"
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert sorted(case[0].tag for case in suite) == ["error", "failure", "system-out"]
    for report in REPORTS.values():
        assert all(word in report(outcome) for word in ("no column", "bad", "met"))


def test_with_keys_alone_results_hold_no_value_either() -> None:
    seen = CheckResult("s", "e", "passed", "Expected y; observed 4711.", observed="observed 4711")
    broke = CheckResult("s", "e", "could not run", "cannot read 'secret'", hint="secret")

    told = without_cells(replace(verdict(), results=(seen,)))
    error = error_without_cells(ChecksNotRun([seen, broke]))

    for outcome in (Outcome("w", "main", told), Outcome("w", "main", error=error)):
        for report in REPORTS.values():
            assert not {"secret", "4711"} & set(re.findall(r"\w+", report(outcome)))


def test_a_verdict_on_disk_holds_failures_alone() -> None:
    """As it did when it had no results: an earlier datahub reads it, signatures hold."""
    made = replace(verdict(failure()), results=(result("passed", "met"),))

    assert made.to_json() == verdict(failure()).to_json()
    assert Verdict.from_json(made.to_json()) == made
    with pytest.raises(ValueError, match="no verdict"):
        Verdict.from_json(made.to_json().replace('"kind"', '"results":[],"kind"'))


class _Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        self.texts.append(data)


@pytest.mark.parametrize(
    "text", [HOSTILE, "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>"]
)
def test_a_page_shows_data_as_text_and_loads_nothing(text: str) -> None:
    judged = replace(verdict(failure("critical", text, text)), results=(result("passed", text),))
    side = Side(1, 1, {text: 1})
    lf = LFLine(text, None, LFSummary(text, (0,), 1.0, 0.0, 0.0, None), 0, 1)
    moves, lf_moves = (Move(text, None, 1, (text,)),), (LFMove(text, 1, (text,)),)
    change = DatasetChange(text, (), (lf,), side, side, 1, 1, 0, 0, 0, 0, moves, lf_moves)
    pages = [
        gate_html(Outcome(text, text, judged)),
        gate_html(Outcome(text, text, error=GateError(text, hint=text))),
        ci_html(CIResult(text, text, judged, (change,), RulesChange((text,), (text,)), text)),
    ]

    for page in map(_Page, pages):
        assert page.tags <= PAGE_TAGS
        assert page.names <= {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
        assert any(" ".join(text.split())[:4] in " ".join(piece.split()) for piece in page.texts)
