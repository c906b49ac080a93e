"""`datahub lf`: labeling functions run, and what they did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, Ref, opened
from datahub.cli.output import emit_json, line, share, table, talk

if TYPE_CHECKING:
    from datahub.flow.lfs import LFReport, Reuse

app = typer.Typer(help="Labeling functions: run them, see what they do.", no_args_is_help=True)


@app.command()
def run(
    sample: Annotated[
        int, typer.Option(min=0, help="Try on so many random rows; commits nothing.")
    ] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes for LFs written in Python (default: setting jobs)."),
    ] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Let labeling functions vote where votes are missing, and commit the votes."""
    with opened(branch) as hub:
        report = hub.lf_try(sample, dataset) if sample else hub.lf_run(dataset, jobs=jobs)
        classes = hub.dataset(dataset).classes
    _print(report, classes, as_json=json)


@app.command()
def stats(
    ref: Ref = None,
    gold: Annotated[
        bool | None, typer.Option("--gold/--no-gold", help="Accuracy (default: if gold is there).")
    ] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Show the LF table of the committed votes."""
    with opened(branch) as hub:
        report = hub.lf_stats(dataset, ref=ref, gold=gold)
        classes = hub.dataset(dataset, ref=ref).classes
    _print(report, classes, as_json=json)


def _print(report: LFReport, classes: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    print_lf_table(report, classes)
    line(
        f"{report.rows} rows, {len(report.table)} LFs, {report.votes} votes, "
        f"{share(report.coverage)} of rows covered, {sum(report.fault_counts)} faults"
    )
    if report.in_python:
        names = ", ".join(report.in_python)
        talk(f"in Python, slower: polars cannot run the pattern of {names}")
    for fault in report.faults[:10]:
        talk(f"fault: {fault.lf} on {fault.key!r} at {fault.where}: {fault.error}")
    if report.reuse is not None:
        for text in _reused(report.reuse):
            line(text)
    if report.commit is not None:
        line(f"committed {report.commit.id[:12]}" if report.changed else "nothing changed")


def _reused(reuse: Reuse) -> Iterator[str]:
    ran = [name for name, parts in reuse.ran.items() if parts]
    pairs = sum(reuse.ran.values())
    which = f": {', '.join(ran)}" if 0 < len(ran) < len(reuse.ran) else ""
    yield (
        f"ran {len(ran)} of {len(reuse.ran)} LFs, on {pairs} of {pairs + reuse.reused} parts "
        f"({reuse.reused} reused){which}"
    )
    if reuse.unsafe:
        yield f"rerun: cannot be fingerprinted safely: {', '.join(reuse.unsafe)}"


def print_lf_table(report: LFReport, classes: tuple[str, ...]) -> None:
    """Print Snorkel's LF table, faults and (with gold) accuracy beside it."""
    rows = [
        (
            lf.name,
            ",".join(classes[y] for y in lf.polarity) or "-",
            share(lf.coverage),
            share(lf.overlaps),
            share(lf.conflicts),
            faults,
            share(lf.accuracy),
        )
        for lf, faults in zip(report.table, report.fault_counts, strict=True)
    ]
    columns = ["LF", "votes for", "coverage", "overlaps", "conflicts", "faults", "accuracy"]
    table(columns, rows)
