"""A verdict, and what `datahub ci` found, as one page for a browser. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from datahub.core import html_page as html
from datahub.core.check_result import CheckResult, not_run, passed
from datahub.core.ci_outcome import CIResult
from datahub.core.ci_report import (
    LF_HEAD,
    ci_json,
    ci_junit,
    ci_markdown,
    figures,
    keys_cell,
    label_cell,
    lf_cells,
    summary,
    tried_words,
)
from datahub.core.gate_outcome import Outcome
from datahub.core.gate_report import REPORTS, failed_first
from datahub.core.label_change import DatasetChange
from datahub.core.verdict import CheckFailure

_HEAD = ("", "dataset", "suite", "expectation", "what was found", "first rows", "judged by")


def gate_html(outcome: Outcome) -> str:
    """Every expectation with what was observed; what refuses comes first."""
    return html.page(f"Gate of {outcome.into}", outcome.state, _gate(outcome))


def ci_html(result: CIResult) -> str:
    """The answer, what becomes of labels and LFs, and every expectation."""
    content = [html.bullets(map(html.inline, summary(result))), *_rules(result)]
    outcome = Outcome(result.source, result.into, result.verdict)
    if result.verdict is not None:
        content += ["<h2>Expectations</h2>\n", *_gate(outcome)]
    content += [part for change in result.changes for part in _labels(change)]
    return html.page(f"Change of {result.into}", result.state, content)


GATE_REPORTS: Mapping[str, Callable[[Outcome], str]] = {**REPORTS, ".html": gate_html}
CI_REPORTS: Mapping[str, Callable[[CIResult], str]] = {
    ".md": ci_markdown,
    ".xml": ci_junit,
    ".json": ci_json,
    ".html": ci_html,
}


def _gate(outcome: Outcome) -> Iterator[str]:
    verdict = outcome.verdict
    source = html.text(outcome.source)
    if verdict is None:
        words = "It did not finish." if outcome.error is None else outcome.error.message
        hint = outcome.error.hint if outcome.error else ""
        yield f"<p><code>{source}</code> was not judged, so it has not passed.</p>\n"
        yield f"<p>{html.text(words)}</p>\n" + (f"<p>{html.text(hint)}</p>\n" if hint else "")
    else:
        met = max(verdict.checks - len(verdict.failures), 0)
        yield (
            f"<p><code>{source}</code> ({html.text(verdict.source[:12])}) met {met} of "
            f"{verdict.checks} expectations. Verdict of {html.text(str(verdict.time))}.</p>\n"
        )
    for entries in (not_run(outcome.results), failed_first(outcome), passed(outcome.results)):
        yield html.table(_HEAD, map(_cells, entries))


def _cells(entry: CheckResult | CheckFailure) -> Sequence[str]:
    state = getattr(entry, "state", "failed")
    words = entry.severity if state == "failed" else state
    column = f" of {entry.column}" if entry.column else ""
    notes = getattr(entry, "notes", "")
    message = html.text(entry.message) + (f"<br>Notes: {html.text(notes)}" if notes else "")
    about = [words, entry.dataset, entry.suite, entry.expectation + column]
    rest = [", ".join(entry.keys), getattr(entry, "engine", "")]
    return [
        *(html.text(cell).replace("_", "_<wbr>") for cell in about),
        message,
        *map(html.text, rest),
    ]


def _rules(result: CIResult) -> Iterator[str]:
    rules = result.rules
    if rules is None:
        return
    yield "<h2>Rules of this checkout</h2>\n"
    words = [rules.problem, tried_words(result)]
    yield "".join(f"<p>{html.text(word)}</p>\n" for word in words if word)
    yield html.bullets(f"weaker: {html.text(line)}" for line in rules.weaker)
    yield html.bullets(map(html.text, rules.other))


def _labels(change: DatasetChange) -> Iterator[str]:
    yield f"<h2>Labels of <code>{html.text(change.dataset)}</code></h2>\n"
    rows = ([name, str(before), str(after)] for name, before, after in figures(change))
    yield html.table(["", "before", "after"], map(_inline, rows))
    moves = (
        [label_cell(move.before), label_cell(move.after), str(move.rows), keys_cell(move.keys)]
        for move in change.moves
    )
    yield html.table(["from", "to", "rows", "first rows"], map(_inline, moves))
    lfs = (
        [html.text(lf.lf), str(lf.rows), html.inline(keys_cell(lf.keys))] for lf in change.lf_moves
    )
    yield html.table(["LF that moved labels", "rows", "first rows"], lfs)
    edits = [lf_cells(line) for line in change.lfs if line.state != "unchanged"]
    yield html.table(LF_HEAD, map(_inline, edits))
    rest = [lf_cells(line) for line in change.lfs if line.state == "unchanged"]
    yield html.folded(f"{len(rest)} other LFs", html.table(LF_HEAD, map(_inline, rest)))


def _inline(cells: Sequence[str]) -> list[str]:
    return [html.inline(cell) for cell in cells]
