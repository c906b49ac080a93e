"""`datahub ci`: a pull request's LFs, suites and data, judged in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.gate import annotate, print_results
from datahub.cli.output import emit_json, failures, line, other_results
from datahub.core.errors import DatahubError
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.core.ci_outcome import CIResult


def ci(
    source: Annotated[
        str | None,
        typer.Argument(help="Branch with data of the change (default: that of the destination)."),
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
    votes: Annotated[
        Path | None,
        typer.Option(help="Judge the votes of a file (`datahub fork vote`), and run no LF."),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(help="Folder for what is fetched, where .datahub cannot be written."),
    ] = None,
    json: Json = False,
) -> None:
    """Run the LFs as they are here, judge what they do to a branch, and commit nothing.

    Exits 0 passed, 1 refused, 7 could not run.
    """
    from datahub.hub import Hub

    if votes is not None and source is not None:
        raise typer.BadParameter("votes of a file are on the data of the destination: no SOURCE")
    reports = Hub.gate_reports(report or [], source=source or into, into=into, keys_only=keys_only)
    try:
        with reports.running(), open_hub(cache=cache) as hub:
            result = hub.ci_of_votes(votes, into=into) if votes else hub.ci(source, into=into)
            result = reports.checked(result)
            places = hub.gate_places(reports.outcome) if github else {}
    except DatahubError:
        if github:
            annotate(reports.outcome, {})
        if not json:
            print_results(reports.outcome)
        raise
    if github and result.verdict is not None:
        annotate(reports.outcome, places)
    if json:
        from datahub.core.ci_report import tried_words

        emit_json(results.CI.of(result, tried=tried_words(result)))
    else:
        _print(result)
    if not result.passed:
        raise typer.Exit(1)


def _print(result: CIResult) -> None:
    from datahub.core.ci_report import summary

    lfs = "the votes of a file" if result.votes else "the LFs of this checkout"
    line(f"{result.state}: {result.source} with {lfs}, into {result.into}")
    for sentence in summary(result):
        line(f"  {sentence.replace('`', '')}")
    if result.rules is not None:
        for text in result.rules.weaker:
            line(f"  weaker: {text}")
    if result.verdict is not None:
        for detail in failures(result.verdict):
            line(detail)
        for detail in other_results(result.verdict.results):
            line(detail)
