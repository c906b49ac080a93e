"""`datahub why`: what made the label of one row what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datahub.cli.context import Dataset, Json, open_hub
from datahub.cli.output import emit_json, expectations, line, table
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.history.events import Event
    from datahub.flow.history.why import Why

SHOWN_LENGTH = 200  # characters of a column


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
    with open_hub() as hub:
        story = hub.why(key, dataset=dataset, ref=ref, limit=limit)
    if json:
        emit_json(results.Why.of(story))
        return
    _print_row(story)
    _print_votes(story)
    _print_people(story)
    line("\nhistory, newest first")
    for event in story.history:
        _print_event(event)


def _print_row(story: Why) -> None:
    line(f"row {story.key!r} of {story.dataset} at {story.commit[:12]}")
    for name, value in story.content.items():
        line(f"  {name}: {_short(value)}")
    if story.label is None:
        line("no label yet: `datahub label fit` makes them")
        return
    label = story.label
    line(f"label {label['label'] or '(none)'}: {label['status']}, by {_source(label)}")
    if label["reason"]:
        line(f"  reason: {label['reason']}")
    if story.soft is None and label["source"]:
        lfs = f" (LFs {', '.join(label['lfs'])})" if label["lfs"] else ""
        line(f"  kept from a fit of earlier rows{lfs}; the votes and models are in the history")
    if story.soft is not None:
        line(
            f"  label model {_opinion(story.soft, 'model')}, end model "
            f"{_opinion(story.soft, 'end')}, together {_opinion(story.soft, '')}"
        )


def _source(label: Mapping[str, Any]) -> str:
    if label["source"] == "annotation":
        return "people: " + ", ".join(label["annotations"])
    return str(label["model"]) if label["source"] else "nobody"


def _opinion(soft: Mapping[str, Any], model: str) -> str:
    lead = f"{model}_" if model else ""
    label, sure = soft[f"{lead}label"], soft[f"{lead}confidence"]
    return "says nothing" if sure is None else f"{label or '(tied)'} ({sure:.2f})"


def _print_votes(story: Why) -> None:
    votes = [vote for vote in story.votes if vote.label is not None or vote.fault is not None]
    if votes:
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
            for vote in votes
        ]
        table(columns, rows)
    if story.votes:
        line(f"{len(story.votes) - len(votes)} of {len(story.votes)} LFs abstained")


def _print_people(story: Why) -> None:
    for task in story.asked:
        guess = f", prediction {task.prediction}" if task.prediction else ""
        line(f"asked in {task.batch} ({task.queue}, {task.slice}): {task.reason}{guess}")
    for answer in story.annotations:
        action = "withdrew" if answer.withdrawn else f"said {answer.label or '(skipped)'}"
        stale = "" if answer.counts else f"; {answer.lapsed}: it does not count"
        line(f"{answer.annotator} {action} at {answer.time} ({answer.id}){stale}")


def _print_event(event: Event) -> None:
    first = event.message.splitlines()[0] if event.message else "(no message)"
    line(f"{event.commit[:12]} {event.time:%Y-%m-%d %H:%M} {event.author}: {first}")
    for field, before, after in event.changed:
        line(f"  {field}: {_short(before)} -> {_short(after)}")
    if event.taken_from:
        line(f"  the row as {event.taken_from[:12]} has it")
    if event.verdict is not None:
        outcome = "passed" if event.verdict.passed else "refused"
        line(f"  verdict {outcome}, {event.verdict.kind}, {expectations(event.verdict.checks)}")


def _short(value: object) -> str:
    text = "(none)" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "..."
