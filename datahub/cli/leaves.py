"""`datahub leaves`: what would be sent where, without sending it."""

from __future__ import annotations

from datahub.cli.context import Dataset, Json, open_hub
from datahub.cli.output import emit_json, line, table
from datahub.hub import results


def leaves(dataset: Dataset = None, json: Json = False) -> None:
    """Show which columns prompts, the embedding endpoint and the review queue would send."""
    with open_hub() as hub:
        report = hub.leaves(dataset)
    if json:
        emit_json(results.Leaves.of(report))
        return
    rule = report.rule
    line(
        "no rule: every column may leave ([leaves] columns in datahub.toml)"
        if rule is None
        else f"columns that may leave: {', '.join(rule) or 'none'}"
    )
    if report.unknown:
        line(f"not a column of {report.dataset}: {', '.join(report.unknown)}")
    if not report.departures:
        line("nothing leaves: no prompt, no embed_endpoint, and people answer in this project")
        return
    table(
        ["way", "name", "goes to", "sent", "withheld"],
        [
            (
                way.way,
                way.name,
                way.destination or "prompt_endpoint is not set",
                "nothing: refused" if way.refused else ", ".join(way.columns),
                ", ".join(way.withheld),
            )
            for way in report.departures
        ],
    )
    for way in report.departures:
        if way.example:
            line(f"{way.way} {way.name}, the first row:")
        for name, value in way.example.items():
            line(f"  {name}: {' '.join(value.split())}")
