"""A verdict as people and machines in CI read it: Markdown, JUnit XML, JSON, GitHub's annotations.

Pure: an outcome in, text out. An outcome is a verdict, or the error because of which there is
none: what could not be judged has not passed, and its report says so. Whatever comes from data
(keys, messages, names) is quoted, so that it makes no link, mention or image of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from xml.sax.saxutils import escape, quoteattr

from datahub.core.check_result import CheckResult, not_run, passed
from datahub.core.error_kinds import DatahubError
from datahub.core.gate_outcome import Outcome, Place, rows_of
from datahub.core.markdown import code as _code
from datahub.core.markdown import plain as _plain
from datahub.core.verdict import CheckFailure, Verdict, refusing

COMMENT_LIMIT = 65_536  # characters of a comment on GitHub
NAME_LIMIT = 200
ANNOTATIONS = 10  # of one step, on GitHub


def markdown(outcome: Outcome, *, limit: int = COMMENT_LIMIT) -> str:
    r"""For a summary of a job, or a comment under a pull request: `limit` characters at most.

    >>> passed = Verdict(True, "c", "5" * 64, "h", "s", None, checks=2)
    >>> markdown(Outcome("work", "main", passed))
    '### Gate of `main`: passed\n\n`work` (555555555555) met 2 of 2 expectations.\n'
    """
    text = f"### Gate of {_code(outcome.into)}: {outcome.state}\n\n"
    verdict = outcome.verdict
    if verdict is None:
        message, hint = _words(outcome.error)
        text += f"{_code(outcome.source)} was not judged, so it has not passed: {_code(message)}\n"
        text += f"\n{_code(hint)}\n" if hint else ""
    else:
        text += (
            f"{_code(outcome.source)} ({verdict.source[:12]}) met {_met(verdict)} of "
            f"{verdict.checks} expectations.\n"
        )
    results = outcome.results
    tables: list[Sequence[CheckResult | CheckFailure]]
    tables = [not_run(results), failed_first(outcome), passed(results)]
    for entries in filter(None, tables):
        text += _table(entries, limit - len(text) - 40)
    return text


def junit(outcome: Outcome) -> str:
    """For whatever shows test results: a case for each expectation.

    What refuses is a failure; a warning is a case that passed, with its words; what could not run
    is an error. Expectations of which nothing is known but that they are met are one case.
    """
    into = outcome.into
    failures, rest = _failed(outcome), [*not_run(outcome.results), *passed(outcome.results)]
    entries = [*failures, *rest]
    names = _unique([_case_name(entry) for entry in entries])
    tags = [_tag(entry) for entry in entries]
    cases = [_case(*case) for case in zip(entries, names, tags, strict=True)]
    errors = tags.count("error")
    if outcome.verdict is None and not errors:
        message, hint = _words(outcome.error)
        words = escape(_plain("\n".join(filter(None, (message, hint)))))
        cases.append(
            f'  <testcase classname={_attr(into)} name="could not run">\n'
            f"    <error message={_attr(message)}>{words}</error>\n  </testcase>\n"
        )
        errors = 1
    passes = _met(outcome.verdict) - len(rest) if outcome.verdict else 0
    if passes > 0 or not cases:
        cases.append(f"  <testcase classname={_attr(into)} name={_attr(f'{passes} met')}/>\n")
    return _suite(outcome, cases, failures=tags.count("failure"), errors=errors)


def json_report(outcome: Outcome) -> str:
    """One object: `state`, `source`, `into`, the `verdict` or the `error`, and all `results`."""
    verdict, error = outcome.verdict, None
    if outcome.error is not None:
        message, hint = _words(outcome.error)
        error = {"code": outcome.error.code, "message": message, "hint": hint}
    content = {
        "state": outcome.state,
        "source": outcome.source,
        "into": outcome.into,
        "verdict": _verdict(verdict) if verdict else None,
        "error": error,
        "results": [asdict(result) for result in outcome.results],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def github_lines(outcome: Outcome, places: Mapping[CheckFailure, Place] | None = None) -> list[str]:
    """GitHub Actions' workflow commands, ANNOTATIONS at most: what refuses comes first.

    >>> failed = CheckFailure("labels.json", "expect_x", "50% are null.", keys=("7",))
    >>> refused = Verdict(False, "c", "s", "h", "q", None, failures=(failed,))
    >>> github_lines(Outcome("work", "main", refused))
    ['::error title=Gate of main refused work%3A expect_x::50%25 are null. rows 7 (labels.json)']
    """
    if outcome.verdict is None:
        title = _property(f"Gate of {outcome.into} could not run")
        return [f"::error title={title}::" + _message(" ".join(_words(outcome.error)).strip())]
    refusals = refusing(outcome.refused)
    failures = refusals + [failure for failure in outcome.refused if failure not in refusals]
    annotations = failures if len(failures) <= ANNOTATIONS else failures[: ANNOTATIONS - 1]
    lines = [
        _annotation(outcome, failure, (places or {}).get(failure), refuses=failure in refusals)
        for failure in annotations
    ]
    if len(annotations) < len(failures):
        level = "error" if len(refusals) > len(annotations) else "warning"
        title = _property(f"Gate of {outcome.into}: {len(failures) - len(annotations)} more")
        lines.append(f"::{level} title={title}::The report has all {len(failures)} of them.")
    return lines


REPORTS: Mapping[str, Callable[[Outcome], str]] = {
    ".md": markdown,
    ".xml": junit,
    ".json": json_report,
}


def _verdict(verdict: Verdict) -> dict[str, object]:
    fields = asdict(replace(verdict, results=()))
    del fields["results"]  # they stand beside it
    return {**fields, "time": str(verdict.time)}


def _failed(outcome: Outcome) -> Sequence[CheckResult | CheckFailure]:
    """What failed: as its result, which has the suite's notes, where there is one."""
    failures = [result for result in outcome.results if result.state == "failed"]
    return failures or outcome.refused


def failed_first(outcome: Outcome) -> list[CheckResult | CheckFailure]:
    """What failed, what refuses first."""
    return sorted(_failed(outcome), key=lambda entry: not _refuses(entry))


def _refuses(entry: CheckResult | CheckFailure) -> bool:
    return entry.severity not in ("warning", "info")


def _tag(entry: CheckResult | CheckFailure) -> str:
    """What a case of JUnit has in it."""
    if isinstance(entry, CheckResult) and entry.state != "failed":
        return "error" if entry.state == "could not run" else "system-out"
    return "failure" if _refuses(entry) else "system-out"


def _words(error: DatahubError | None) -> tuple[str, str]:
    return ("It did not finish.", "") if error is None else (error.message, error.hint)


def _met(verdict: Verdict) -> int:
    return max(verdict.checks - len(verdict.failures), 0)


def _table(entries: Sequence[CheckResult | CheckFailure], room: int) -> str:
    """A line for each, as far as there is room; then how many more."""
    head = ["severity", "dataset", "suite", "expectation", "what was found", "first rows"]
    first = entries[0]
    if isinstance(first, CheckResult) and first.state != "failed":
        head[0] = first.state
    text = f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
    for number, entry in enumerate(entries):
        cells = [entry.severity, entry.dataset, entry.suite, entry.expectation]
        cells += [_found(entry), ", ".join(entry.keys)]
        line = f"| {' | '.join(_code(cell, in_table=True) for cell in cells)} |\n"
        rest = f"\n{len(entries) - number} more did not fit here.\n"
        if len(text) + len(line) + len(rest) > room:
            return rest if number == 0 else text + rest
        text += line
    return text


def _found(entry: CheckResult | CheckFailure) -> str:
    """What was found, and the suite's own words about it."""
    notes = entry.notes if isinstance(entry, CheckResult) else ""
    return entry.message + (f" Notes: {notes}" if notes else "")


def _suite(outcome: Outcome, cases: Sequence[str], *, failures: int, errors: int) -> str:
    name = _attr(f"gate of {outcome.into}: {outcome.source}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name={name} tests="{len(cases)}" failures="{failures}" errors="{errors}">\n'
        + "".join(cases)
        + "</testsuite>\n"
    )


def _case_name(failure: CheckFailure | CheckResult) -> tuple[str, str]:
    """The class and the name of a test case."""
    about = ".".join(filter(None, (failure.dataset, failure.suite)))
    return about, " of ".join(filter(None, (failure.expectation, failure.column)))


def _unique(names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names of which none comes twice: what shows test results keeps one case of a name.

    >>> _unique([("a", "x"), ("a", "x"), ("b", "x")])
    [('a', 'x'), ('a', 'x (2)'), ('b', 'x')]
    """
    counts: Counter[tuple[str, str]] = Counter()
    unique = []
    for about, name in names:
        counts[about, name] += 1
        count = counts[about, name]
        unique.append((about, name if count == 1 else f"{name} ({count})"))
    return unique


def _case(entry: CheckFailure | CheckResult, name: tuple[str, str], tag: str) -> str:
    message = f" message={_attr(entry.message)}" if tag != "system-out" else ""
    severity = "" if isinstance(entry, CheckResult) and entry.state == "passed" else entry.severity
    words = "\n".join(filter(None, (severity, _found(entry), rows_of(entry))))
    return (
        f"  <testcase classname={_attr(name[0])} name={_attr(name[1])}>\n"
        f"    <{tag}{message}>{escape(_plain(words))}</{tag}>\n"
        "  </testcase>\n"
    )


def _annotation(
    outcome: Outcome, failure: CheckFailure, place: Place | None, *, refuses: bool
) -> str:
    level, verb = ("error", "refused") if refuses else ("warning", "warns of")
    title = f"Gate of {outcome.into} {verb} {outcome.source}: {failure.expectation}"
    properties = f"title={_property(title[:NAME_LIMIT])}"
    if place is not None:
        properties = f"file={_property(place.file)},line={place.line},{properties}"
    words = " ".join(filter(None, (failure.message, rows_of(failure))))
    return f"::{level} {properties}::" + _message(f"{words} ({failure.suite})")


def _attr(text: str) -> str:
    return quoteattr(_plain(text).replace("\n", " "))


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
