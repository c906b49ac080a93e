"""A verdict as people and machines in CI read it: Markdown, JUnit XML, GitHub's annotations.

Pure: a verdict in, text out. Of the rows that failed, the first keys stand in it, never their
contents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape, quoteattr

from datahub.core.verdict import KEYS_TOLD, CheckFailure, Verdict, refusing

_NO_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def rows_of(failure: CheckFailure) -> str:
    """The rows that failed, by key, in one line; empty where there is none to name.

    >>> rows_of(CheckFailure("s", "expect_x", "no", keys=("7", "9")))
    'rows 7, 9'
    """
    if not failure.keys:
        return ""
    more = f", ... (the first {KEYS_TOLD})" if len(failure.keys) == KEYS_TOLD else ""
    return f"rows {', '.join(failure.keys)}{more}"


def markdown(verdict: Verdict, *, source: str, into: str) -> str:
    r"""For a summary of a job, or a comment under a pull request.

    >>> passed = Verdict(True, "c", "5" * 64, "h", "s", None, checks=2)
    >>> markdown(passed, source="work", into="main")
    '### Gate of `main`: passed\n\n`work` (555555555555) met 2 of 2 expectations.\n'
    """
    state = "passed" if verdict.passed else "refused"
    successes = verdict.checks - len(verdict.failures)
    text = (
        f"### Gate of {_code(into)}: {state}\n\n"
        f"{_code(source)} ({verdict.source[:12]}) met {max(successes, 0)} of {verdict.checks} "
        "expectations.\n"
    )
    if not verdict.failures:
        return text
    rows = [
        [f.severity, f.dataset, f.suite, f.expectation, f.message, ", ".join(f.keys)]
        for f in verdict.failures
    ]
    head = ["severity", "dataset", "suite", "expectation", "what was found", "first rows"]
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return text + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def junit(verdict: Verdict, *, source: str, into: str) -> str:
    """For whatever shows test results: a case for each expectation that failed, one for the rest.

    What refuses is a failure; a warning is a case that passed, with its words.
    """
    refusals = refusing(verdict.failures)
    successes = max(verdict.checks - len(verdict.failures), 0)
    cases = [_case(failure, refuses=failure in refusals) for failure in verdict.failures]
    if successes or not cases:
        cases.append(f"  <testcase classname={_attr(into)} name={_attr(f'{successes} met')}/>\n")
    name = _attr(f"gate of {into}: {source}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name={name} tests="{len(cases)}" failures="{len(refusals)}" errors="0">\n'
        + "".join(cases)
        + "</testsuite>\n"
    )


def github_lines(verdict: Verdict, *, source: str, into: str) -> list[str]:
    """GitHub Actions' workflow commands: one for each failure, shown at the run and its checks.

    >>> failed = CheckFailure("labels.json", "expect_x", "50% are null.", keys=("7",))
    >>> github_lines(Verdict(False, "c", "s", "h", "q", None, failures=(failed,)),
    ...              source="work", into="main")
    ['::error title=Gate of main refused work%3A expect_x::50%25 are null. rows 7 (labels.json)']
    """
    refusals = refusing(verdict.failures)
    state = "refused" if refusals else "warns of"
    return [
        f"::{'error' if failure in refusals else 'warning'} "
        f"title={_property(f'Gate of {into} {state} {source}: {failure.expectation}')}::"
        + _message(" ".join(filter(None, (failure.message, rows_of(failure)))))
        + _message(f" ({failure.suite})")
        for failure in verdict.failures
    ]


REPORTS: Mapping[str, Callable[..., str]] = {".md": markdown, ".xml": junit}


def _case(failure: CheckFailure, *, refuses: bool) -> str:
    about = ".".join(filter(None, (failure.dataset, failure.suite)))
    name = " of ".join(filter(None, (failure.expectation, failure.column)))
    tag = "failure" if refuses else "system-out"
    message = f" message={_attr(failure.message)}" if refuses else ""
    words = "\n".join(filter(None, (failure.severity, failure.message, rows_of(failure))))
    return (
        f"  <testcase classname={_attr(about)} name={_attr(name)}>\n"
        f"    <{tag}{message}>{escape(_plain(words))}</{tag}>\n"
        "  </testcase>\n"
    )


def _plain(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _attr(text: str) -> str:
    return quoteattr(_plain(text).replace("\n", " "))


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def _cell(text: str) -> str:
    r"""What is between two bars of a table.

    >>> _cell("a|b" + chr(10) + "<c>")
    'a\\|b &lt;c&gt;'
    """
    return escape(" ".join(text.split())).replace("\\", "\\\\").replace("|", "\\|")


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
