"""`datahub monitor`: what rows that came since a tag ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Dataset, Json, Ref, open_hub
from datahub.cli.output import emit_json, line
from datahub.hub import results

_TO_DO = {
    "fine": "new rows are like those before",
    "refit": "`datahub lf run` and `datahub label fit`, then look again",
    "relabel": "`datahub review push`: let people answer new rows, then fit",
}


def monitor(
    against: Annotated[str, typer.Option("--against", help="Tag, branch or commit of before.")],
    dataset: Dataset = None,
    ref: Ref = None,
    json: Json = False,
) -> None:
    """Say whether rows that came since a tag ask for a new fit, for people, or for nothing.

    Exits 0 fine, 1 refit or relabel, 7 could not run.
    """
    with open_hub() as hub:
        found = hub.monitor(against, dataset, ref=ref)
    if json:
        emit_json(results.Monitored.of(found))
    else:
        line(f"{found.state}: {_TO_DO[found.state]}")
        new = f"{found.new_rows} of {found.rows} rows came since {found.against}"
        line(f"  {found.dataset}: {new}, {found.unlabeled} of them have no label")
        for one in found.results:
            state = one.severity if one.state == "failed" else "met"
            line(f"  {state} {one.expectation}: {one.message}")
    if found.state != "fine":
        raise typer.Exit(1)
