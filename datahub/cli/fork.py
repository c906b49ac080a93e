"""`datahub fork`: pull requests of people you do not trust, whose LFs run where no secret is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line
from datahub.hub import results

app = typer.Typer(
    help="Pull requests of strangers: their LFs run apart, and only votes come back.",
    no_args_is_help=True,
)


@app.command()
def snapshot(
    folder: Annotated[Path, typer.Argument(help="A folder to make.")],
    into: Annotated[str, typer.Option("--into", help="Branch whose gate will judge.")] = "main",
    json: Json = False,
) -> None:
    """Copy the rows that a branch's gate is about, for LFs of others: no gold and no labels."""
    with open_hub() as hub:
        result = hub.fork_snapshot(folder, into=into)
    if json:
        emit_json(results.Snapshot.of(result))
        return
    rows = ", ".join(f"{count} rows of {name}" for name, count in result.datasets.items())
    line(f"{result.folder}: {rows}")


@app.command()
def vote(
    snapshot: Annotated[Path, typer.Argument(help="The folder that `fork snapshot` made.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the votes.")] = Path("votes"),
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Processes (default: as set).")
    ] = None,
    json: Json = False,
) -> None:
    """Let the LFs of this checkout vote on a snapshot; it needs no store and no secret."""
    with open_hub() as hub:
        file = hub.fork_vote(snapshot, out, jobs=jobs)
    if json:
        emit_json(results.VotesFile.of(file))
        return
    for dataset, lfs in file.lfs.items():
        missing = file.left_out[dataset]
        words = f"; left out: {', '.join(missing)}" if missing else ""
        line(f"{file.path}: votes of {len(lfs)} LFs on {dataset}{words}")


@app.command()
def comment(
    report: Annotated[Path, typer.Argument(help="The .json report of `datahub ci`.")],
    json: Json = False,
) -> None:
    """Check a report of `datahub ci`, and print it as Markdown; it needs no project."""
    from datahub.hub import Hub

    state, markdown = Hub.fork_comment(report)
    if json:
        emit_json(results.Comment(state, markdown))
        return
    line(markdown.rstrip("\n"))
