"""`datahub embed` and `datahub similar`: texts as vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, Ref, open_hub
from datahub.cli.output import emit_json, line, table
from datahub.hub import results

SHOWN_LENGTH = 80


def embed(
    column: Annotated[
        str | None,
        typer.Option(help="Column of texts (default: the project's; else the text column)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be embedded, and where texts go.")
    ] = False,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Give each row a vector of its text by the model of embed_model."""
    with open_hub(branch) as hub:
        if dry_run:
            plan = hub.embed_plan(dataset, column=column)
            if json:
                emit_json(results.EmbedPlan.of(plan))
                return
            line(
                f"{plan.missing} of {plan.rows} rows of {plan.dataset} would be embedded: "
                f"{plan.characters:,} characters of {plan.column}, by {plan.model}"
            )
            line(_where(plan.destination))
            return
        report = hub.embed(dataset, column=column)
    if json:
        emit_json(results.Embedded.of(report))
        return
    line(
        f"{report.embedded} of {report.rows} rows of {report.dataset} embedded by {report.model}: "
        f"{report.dimension} numbers for the {report.column} of each"
    )
    if report.empty:
        line(f"{report.empty} rows have no text, and a vector of zeros")
    line(_where(report.destination))
    line(f"commit {report.commit.id[:12]}" + ("" if report.changed else ", as it was"))


def similar(
    what: Annotated[str, typer.Argument(help="Key of a row, or a text.")],
    text: Annotated[bool, typer.Option("--text", help="It is a text, whatever keys are.")] = False,
    limit: Annotated[int, typer.Option("--max-count", "-n", help="Show at most N.", min=1)] = 10,
    dataset: Dataset = None,
    ref: Ref = None,
    json: Json = False,
) -> None:
    """List the rows that are most like a row, or like a text."""
    with open_hub() as hub:
        if text:
            rows = hub.similar(text=what, dataset=dataset, ref=ref, limit=limit)
        else:
            rows = hub.similar_to(what, dataset, ref=ref, limit=limit)
    if json:
        emit_json(results.SimilarRow.list_of(rows))
        return
    table(
        ["similarity", "key", "label", "text"],
        [
            (f"{row.similarity:.3f}", str(row.key), row.label or "", _short(row.text))
            for row in rows
        ],
    )


def _where(destination: str) -> str:
    return f"texts go to {destination}" if destination else "no text leaves this machine"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "..."
