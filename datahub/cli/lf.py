"""`datahub lf`: labeling functions run, and what they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, Ref, open_hub
from datahub.cli.output import emit_json, line, share, table, talk
from datahub.core.class_names import first_names
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.core.dataset import Key
    from datahub.core.labeling import Fault
    from datahub.core.lf_sight import SeenRow, Sight
    from datahub.core.prompt_lf import Spending
    from datahub.flow.label.report import LFReport, Reuse

_FAULTS = 10  # that are told apart
_NAMED_CLASSES = 4  # in a cell
_NAMES = 6  # of LFs of one kind
_TEXT_LENGTH = 160  # characters of a text

MaxCost = Annotated[
    float | None,
    typer.Option(help="Stop before prompts cost more than this (setting prompt_max_cost)."),
]
MaxRequests = Annotated[
    int | None,
    typer.Option(help="Stop before sending more requests (setting prompt_max_requests)."),
]

app = typer.Typer(help="Labeling functions: run them, see what they do.", no_args_is_help=True)


@app.command()
def run(
    sample: Annotated[int, typer.Option(min=0, help="Try on N random rows; commit nothing.")] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes for LFs written in Python (default: setting jobs)."),
    ] = None,
    max_cost: MaxCost = None,
    max_requests: MaxRequests = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Let labeling functions vote where votes are missing, and commit the votes."""
    with open_hub(branch, **_limits(max_cost, max_requests)) as hub:
        report = hub.lf_try(sample, dataset) if sample else hub.lf_run(dataset, jobs=jobs)
        classes = hub.dataset(dataset).classes
    _print(report, classes, as_json=json)


@app.command()
def suggest(
    source: Annotated[
        str, typer.Option("--from", help="Whose labels suggest: gold, or answers of people.")
    ] = "gold",
    rows: Annotated[int, typer.Option(min=40, help="Labeled rows at the most.")] = 500,
    most: Annotated[int, typer.Option(min=1, help="LFs of a class at the most.")] = 5,
    write: Annotated[
        str | None, typer.Option(help="Write labeling_functions/NAME.py, if there is none.")
    ] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Propose LFs by a few labeled rows: one half chooses them, the other measures them."""
    with open_hub(branch) as hub:
        report = hub.lf_suggest(dataset, source=source, most_rows=rows, most=most, write=write)
    if json:
        emit_json(results.Suggested.of(report))
        return
    if report.file:
        line(f"{len(report.suggestions)} LFs in {report.file}: read them, then `datahub lf run`")
    else:
        line(report.code.rstrip())
    talk(
        f"{report.rows} rows of {report.source}: one half chose, the other measured. "
        "These rows should not measure the labels, too."
    )


@app.command()
def stats(
    ref: Ref = None,
    gold: Annotated[
        bool | None,
        typer.Option("--gold/--no-gold", help="Show accuracy (default: if there is gold)."),
    ] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Show the LF table of the committed votes."""
    with open_hub(branch) as hub:
        report = hub.lf_stats(dataset, ref=ref, gold=gold)
        classes = hub.dataset(dataset, ref=ref).classes
    _print(report, classes, as_json=json)
    if not json:
        _print_accuracies(report)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Names the file and the LF.")],
    kind: Annotated[
        str,
        typer.Option(
            help="keywords, regex, lookup, threshold, expression, model, prompt or snorkel."
        ),
    ] = "keywords",
    column: Annotated[
        str | None, typer.Option(help="Column it reads (default: the text, or one of numbers).")
    ] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Write a new labeling function to begin from; never over one that is there."""
    with open_hub(branch) as hub:
        path = hub.lf_new(name, dataset, kind=kind, column=column)
    if json:
        emit_json(results.NewLF(name, kind, path))
        return
    line(f"wrote {path}")
    talk(f"edit it, then see what it does: datahub lf test {name}")


@app.command("test")
def see(
    name: Annotated[str, typer.Argument(help="The labeling function.")],
    sample: Annotated[int, typer.Option(min=1, help="Random rows to try it on.")] = 1000,
    show: Annotated[int, typer.Option(min=0, help="Rows of each kind to show.")] = 5,
    max_cost: MaxCost = None,
    max_requests: MaxRequests = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Try one labeling function on real rows: its hits, misses and conflicts. Commits nothing."""
    with open_hub(branch, **_limits(max_cost, max_requests)) as hub:
        sight = hub.lf_test(name, dataset, sample=sample, show=show)
    if json:
        emit_json(results.Sight.of(sight))
    else:
        _print_sight(sight)
    if sight.rows and sight.fault_count == sight.rows:
        if not json:
            talk(f"{sight.lf} raised on every row")
        raise typer.Exit(1)


def _print_sight(sight: Sight) -> None:
    judge = sight.judge or "no gold and no labels yet"
    votes = first_names([f"{n} {label}" for label, n in sight.votes.items()]) or "no votes"
    line(f"{sight.lf} on {sight.rows} of {sight.of_rows} rows: {votes}, {sight.fault_count} faults")
    if sight.accuracy is not None:
        low, high = sight.accuracy_interval
        line(
            f"right by {judge}: {share(sight.accuracy)} of {sight.judged} votes "
            f"(95%: {share(low)} to {share(high)})"
        )
    _rows(_count(sight.hits, "hit"), sight.shown_hits, sight.lf)
    misses = f"{_count(sight.misses, 'miss')} of its classes (by {judge})"
    _rows(misses, sight.shown_misses, sight.lf)
    _rows(_count(sight.conflicts, "conflict"), sight.shown_conflicts, sight.lf)
    if sight.spent is not None and (sight.spent.requests or sight.spent.reused):
        line(_spending_line(sight.spent))
    if not sight.compared:
        talk("not compared with other LFs: none has voted on these rows yet")
    if sight.in_python:
        talk("in Python, slower: polars cannot run its pattern")
    if not sight.safe:
        talk("cannot be fingerprinted safely: `lf run` will always rerun it")
    if not sight.votes and sight.fault_count < sight.rows:
        talk(f"{sight.lf} never votes on these {sight.rows} rows")
    _say_faults(sight.faults, sight.fault_count)


@app.command()
def conflicts(
    first: Annotated[str, typer.Argument(metavar="A", help="A labeling function.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    show: Annotated[int, typer.Option(min=0, help="Rows to show, drawn at random.")] = 20,
    ref: Ref = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Show the rows on which two labeling functions voted for different classes."""
    with open_hub(branch) as hub:
        disagreement = hub.lf_conflicts(first, second, dataset, ref=ref, show=show)
    if json:
        emit_json(results.Disagreement.of(disagreement))
        return
    if disagreement.shown:
        label = f"label ({disagreement.judge})" if disagreement.judge else "label"
        rows = [
            (r.key, r.votes[first], r.votes[second], r.label, _short(r.text))
            for r in disagreement.shown
        ]
        table(["key", first, second, label, "text"], rows)
    pairs = first_names([f"{n} {pair}" for pair, n in disagreement.pairs.items()])
    line(
        f"{disagreement.rows} rows in conflict of {disagreement.both} on which both voted"
        + (f": {pairs}" if pairs else "")
    )


def _limits(max_cost: float | None, max_requests: int | None) -> dict[str, float | int | None]:
    return {"prompt_max_cost": max_cost, "prompt_max_requests": max_requests}


def _rows(title: str, rows: tuple[SeenRow, ...], lf: str) -> None:
    line(f"\n{title}")
    if rows:
        other_votes = [
            ", ".join(f"{name}: {vote}" for name, vote in row.votes.items() if name != lf)
            for row in rows
        ]
        table(
            ["key", "vote", "label", "other LFs", "text"],
            [
                (row.key, row.votes.get(lf), row.label, votes or None, _short(row.text))
                for row, votes in zip(rows, other_votes, strict=True)
            ],
        )


def _count(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}" + (plural if number != 1 else "")


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT_LENGTH else flat[: _TEXT_LENGTH - 1] + "…"


def _print(report: LFReport, classes: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        emit_json(results.LFReport.of(report))
        return
    print_lf_table(report, classes)
    line(
        f"{report.rows} rows, {len(report.table)} LFs, {report.votes} votes, "
        f"{share(report.coverage)} of rows covered, {sum(report.fault_counts)} faults"
    )
    line(_kinds(report))
    if report.in_python:
        names = ", ".join(report.in_python)
        talk(f"in Python, slower: polars cannot run the pattern of {names}")
    _say_faults(report.faults, sum(report.fault_counts))
    silent = [
        lf.name
        for lf, faults in zip(report.table, report.fault_counts, strict=True)
        if not lf.coverage and not faults
    ]
    if silent and report.rows:
        line(f"never voted: {first_names(silent)}")
    if report.reuse is not None:
        for text in _reuse_lines(report.reuse):
            line(text)
    if report.spent is not None:
        line(_spending_line(report.spent))
    if report.commit is not None:
        line(f"committed {report.commit.id[:12]}" if report.changed else "nothing changed")


def _kinds(report: LFReport) -> str:
    """One line and no column: the table is as wide as a terminal already."""
    names: dict[str, list[str]] = {}
    for lf, kind in zip(report.table, report.kinds, strict=True):
        names.setdefault(kind, []).append(lf.name)
    return "kinds: " + "; ".join(
        f"{kind} ({first_names(of, _NAMES)})" for kind, of in names.items()
    )


def _say_faults(faults: Sequence[Fault], count: int) -> None:
    """Tell faults, equal ones once: `faults` are those that were kept of `count`."""
    groups: dict[tuple[str, str, str], list[Key]] = {}
    for fault in faults:
        groups.setdefault((fault.lf, fault.where, fault.error), []).append(fault.key)
    for (lf, where, error), keys in list(groups.items())[:_FAULTS]:
        rows = repr(keys[0]) if len(keys) == 1 else f"{len(keys)} rows, first {keys[0]!r},"
        talk(f"fault: {lf} on {rows} at {where}: {error}")
    if len(groups) > _FAULTS:
        talk(f"and {len(groups) - _FAULTS} other kinds of faults: --json has them")
    if count > len(faults):
        talk(f"and {count - len(faults)} more faults, which were counted and not kept")


def _spending_line(spending: Spending) -> str:
    cost = "no price is set" if spending.cost is None else f"cost {spending.cost:.4f}"
    return (
        f"prompts: {spending.requests} requests, {spending.answered} answers, "
        f"{spending.reused} kept ones, "
        f"{spending.prompt_tokens} + {spending.completion_tokens} tokens, {cost}"
    )


def _reuse_lines(reuse: Reuse) -> Iterator[str]:
    ran = [name for name, parts in reuse.ran.items() if parts]
    pairs = sum(reuse.ran.values())
    names = f" ({', '.join(ran)})" if 0 < len(ran) < len(reuse.ran) else ""
    parts = "1 part" if reuse.parts == 1 else f"{reuse.parts} parts"
    yield (
        f"ran {len(ran)} of {len(reuse.ran)} LFs{names} on rows in {parts}; "
        f"columns of votes: {pairs} new, {reuse.reused} reused"
    )
    if reuse.unsafe:
        yield f"rerun: cannot be fingerprinted safely: {', '.join(reuse.unsafe)}"


def print_lf_table(report: LFReport, classes: tuple[str, ...]) -> None:
    """Print Snorkel's LF table, faults and (with gold) accuracy beside it."""
    rows = [
        (
            lf.name,
            first_names([classes[y] for y in lf.polarity], _NAMED_CLASSES) or "-",
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


def _print_accuracies(report: LFReport) -> None:
    """Print what the label model takes for each LF's accuracy, and the true one by gold."""
    estimates = report.estimated or (None,) * len(report.table)
    if not report.estimated and all(lf.interval is None for lf in report.table):
        return
    rows = [
        (
            lf.name,
            share(guess),
            share(lf.accuracy),
            *map(share, lf.interval or (None, None)),
            lf.judged,
        )
        for lf, guess in zip(report.table, estimates, strict=True)
    ]
    table(["LF", "estimated", "accuracy", "95% from", "to", "votes judged"], rows)
