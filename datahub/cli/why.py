"""`datahub why`: what made the label of one row what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datahub.cli.context import Dataset, Json, opened
from datahub.cli.output import emit_json, expectations, line, table
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.history.why import Event, Why

SHOWN = 200  # characters of a column


def why(
    key: Annotated[str, typer.Argument(help="Key of the row.")],
    ref: Annotated[str | None, typer.Argument(help="Branch or commit [current branch]")] = None,
    limit: Annotated[
        int | None, typer.Option("--max-count", "-n", help="Show at most N commits of history.")
    ] = None,
    dataset: Dataset = None,
    json: Json = False,
) -> None:
    """Tell why one row has its label: votes, models, people, verdicts and commits."""
    with opened() as hub:
        found = hub.why(key, dataset=dataset, ref=ref, limit=limit)
    if json:
        emit_json(results.Why.of(found))
        return
    _print_row(found)
    _print_votes(found)
    _print_people(found)
    line("\nhistory, newest first")
    for event in found.history:
        _print_event(event)


def _print_row(found: Why) -> None:
    line(f"row {found.key!r} of {found.dataset} at {found.commit[:12]}")
    for name, value in found.content.items():
        line(f"  {name}: {_short(value)}")
    if found.label is None:
        line("no label yet: `datahub label fit` makes them")
        return
    label = found.label
    line(f"label {label['label'] or '(none)'}: {label['status']}, by {_source(label)}")
    if label["reason"]:
        line(f"  reason: {label['reason']}")
    if found.soft is None and label["source"]:
        lfs = f" (LFs {', '.join(label['lfs'])})" if label["lfs"] else ""
        line(f"  kept from a fit of earlier rows{lfs}; the votes and models are in the history")
    if found.soft is not None:
        line(
            f"  label model {_opinion(found.soft, 'model')}, end model "
            f"{_opinion(found.soft, 'end')}, together {_opinion(found.soft, '')}"
        )


def _source(label: Mapping[str, Any]) -> str:
    if label["source"] == "annotation":
        return "people: " + ", ".join(label["annotations"])
    return str(label["model"]) if label["source"] else "nobody"


def _opinion(soft: Mapping[str, Any], whose: str) -> str:
    lead = f"{whose}_" if whose else ""
    label, sure = soft[f"{lead}label"], soft[f"{lead}confidence"]
    return "says nothing" if sure is None else f"{label or '(tied)'} ({sure:.2f})"


def _print_votes(found: Why) -> None:
    voted = [vote for vote in found.votes if vote.label is not None or vote.fault is not None]
    if voted:
        line()
        columns = ["LF", "vote", "right where it votes", "counts", "kind", "where", "fingerprint"]
        rows = [
            (
                vote.lf,
                vote.label or f"fault: {vote.fault}",
                "-" if vote.weight is None else f"{vote.weight:.2f}",
                "-" if vote.share is None else f"{vote.share:.2f}",
                vote.kind,
                vote.where,
                vote.fingerprint[:12],
            )
            for vote in voted
        ]
        table(columns, rows)
    if found.votes:
        line(f"{len(found.votes) - len(voted)} of {len(found.votes)} LFs abstained")


def _print_people(found: Why) -> None:
    for task in found.asked:
        guess = f", prediction {task.prediction}" if task.prediction else ""
        line(f"asked in {task.batch} ({task.queue}, {task.slice}): {task.reason}{guess}")
    for said in found.annotations:
        what = "withdrew" if said.withdrawn else f"said {said.label or '(skipped)'}"
        stale = "" if said.counts else f"; {said.lapsed}: it does not count"
        line(f"{said.annotator} {what} at {said.time} ({said.id}){stale}")


def _print_event(event: Event) -> None:
    first = event.message.splitlines()[0] if event.message else "(no message)"
    line(f"{event.commit[:12]} {event.time:%Y-%m-%d %H:%M} {event.author}: {first}")
    for what, before, after in event.changed:
        line(f"  {what}: {_short(before)} -> {_short(after)}")
    if event.taken_from:
        line(f"  the row as {event.taken_from[:12]} has it")
    if event.verdict is not None:
        said = "passed" if event.verdict.passed else "refused"
        line(f"  verdict {said}, {event.verdict.kind}, {expectations(event.verdict.checks)}")


def _short(value: object) -> str:
    text = "(none)" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
