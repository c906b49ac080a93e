"""`datahub gate`: set the rules of a branch, judge a merge, see refusals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import CommittedLFs, Dataset, Json, Ref, open_hub
from datahub.cli.output import (
    emit_json,
    expectations,
    failures,
    line,
    other_results,
    table,
    talk,
)
from datahub.core.errors import DatahubError
from datahub.hub import results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.core.gate_outcome import Outcome, Place
    from datahub.core.verdict import CheckFailure
    from datahub.ports import Refusal

app = typer.Typer(help="Gates: rules that a merge must pass.", no_args_is_help=True)


@app.command("set")
def set_(
    reason: Annotated[str, typer.Option(help="Why the rules change.")],
    into: Annotated[str, typer.Option("--into", help="Branch whose rules these are.")] = "main",
    unguard: Annotated[
        bool,
        typer.Option(
            "--unguard", help="Allow rules that bind no suite to it, which removes its gate."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Make the files in expectations/ the rules of a branch."""
    with open_hub() as hub:
        merge = hub.gate_set(reason=reason, into=into, unguard=unguard)
    if json:
        emit_json(results.Merged.of(merge))
        return
    line(f"rules of {into} set: {merge.commit.id[:12]}, {expectations(merge.checks)}")
    if unguard and not merge.checks:
        line(f"{into} is no longer guarded; `datahub audit {into}` will say so")


@app.command()
def run(
    source: Annotated[
        str | None, typer.Argument(help="Branch or commit to judge (default: the current branch).")
    ] = None,
    into: Annotated[str, typer.Option("--into", help="Branch whose gate judges.")] = "main",
    report: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write it to a file: .md (Markdown), .html, .xml (JUnit) or .json; repeatable."
        ),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Also print failures as GitHub Actions annotations.")
    ] = False,
    keys_only: Annotated[
        bool,
        typer.Option("--keys-only", help="Show no value of the data: keys of rows and counts."),
    ] = False,
    without_gate: Annotated[
        bool,
        typer.Option(
            "--ungated", help="For a branch without a gate: only check whether it merges."
        ),
    ] = False,
    committed_lfs: CommittedLFs = False,
    json: Json = False,
) -> None:
    """Judge a merge without landing it: exits 0 passed, 1 refused, 7 could not run."""
    from datahub.hub import Hub

    reports = Hub.gate_reports(report or [], source=source, into=into, keys_only=keys_only)
    try:
        with reports.running(), open_hub() as hub:
            verdict = reports.judged(
                hub.gate_run(
                    source,
                    into=into,
                    ungated=without_gate,
                    keys_only=keys_only,
                    committed_lfs=committed_lfs,
                ),
                source=source or hub.branch,
            )
            places = hub.gate_places(reports.outcome) if github else {}
    except DatahubError:
        if github:
            annotate(reports.outcome, {})
        if not json:
            print_results(reports.outcome)
        raise
    if github:
        annotate(reports.outcome, places)
    if json:
        emit_json(results.Verdict.of(verdict))
    else:
        outcome = reports.outcome
        line(f"{outcome.state}: {outcome.source} into {into}, {expectations(verdict.checks)}")
        for detail in failures(verdict):
            line(detail)
        for detail in other_results(verdict.results):
            line(detail)
    if not verdict.passed:
        raise typer.Exit(1)


def print_results(outcome: Outcome) -> None:
    """Print the results of a gate that could not run, if it has any."""
    for result in outcome.results:
        if result.state == "failed":
            line(f"  {result.severity} {result.suite} {result.expectation}: {result.message}")
    for detail in other_results(outcome.results):
        line(detail)


def annotate(outcome: Outcome, places: Mapping[CheckFailure, Place]) -> None:
    """Print GitHub's annotations on stderr."""
    from datahub.core.gate_report import github_lines

    for annotation in github_lines(outcome, places):
        talk(annotation)


@app.command()
def suggest(
    of: Annotated[str, typer.Option("--table", help="labels or rows.")] = "labels",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file to make.")] = None,
    dataset: Dataset = None,
    ref: Ref = None,
    json: Json = False,
) -> None:
    """Write a suite with bounds from a dataset's history, for a person to edit."""
    with open_hub() as hub:
        suggestion = hub.gate_suggest(dataset, table=of, ref=ref, out=out)
    if json:
        emit_json(results.SuiteSuggestion.of(suggestion))
    elif out is None:
        line(suggestion.text.rstrip())
    else:
        count = expectations(len(suggestion.suite["expectations"]))
        line(f"{suggestion.path}: {count} from {suggestion.commits} commits")
        line("Edit it, name it in gates.toml, then run `datahub gate set`.")


@app.command()
def key(json: Json = False) -> None:
    """Print the id of the secret in DATAHUB_VERDICT_SECRET, for signed_by in gates.toml."""
    with open_hub() as hub:
        ids = hub.verdict_keys()
    if json:
        emit_json(ids)
        return
    for secret_id in ids:
        line(secret_id)
    if not ids:
        talk("DATAHUB_VERDICT_SECRET is not set.")


@app.command()
def refusals(
    limit: Annotated[int, typer.Option("--max-count", "-n", help="Show at most N.")] = 20,
    json: Json = False,
) -> None:
    """List merges that were refused, newest first."""
    with open_hub() as hub:
        entries = hub.refusals(limit=limit)
    if json:
        emit_json(results.Refusal.list_of(entries))
        return
    table(
        ["time", "source", "commit", "into", "suites", "reasons"],
        [_line(entry) for entry in entries],
    )


def _line(refusal: Refusal) -> tuple[str, ...]:
    failures = refusal.verdict.failures
    suites = dict.fromkeys(failure.suite.removeprefix("expectations/") for failure in failures)
    return (
        f"{refusal.verdict.time:%Y-%m-%d %H:%M}",
        refusal.branch,
        refusal.verdict.source[:12],
        refusal.into,
        ", ".join(suites),
        "; ".join(failure.message for failure in failures),
    )
