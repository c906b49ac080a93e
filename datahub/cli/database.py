"""`datahub db`: the catalog's schema."""

from __future__ import annotations

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line
from datahub.hub import results

app = typer.Typer(help="The catalog's database.", no_args_is_help=True)


@app.command()
def upgrade(json: Json = False) -> None:
    """Bring the catalog's schema to the newest revision."""
    with open_hub() as hub:
        revision = hub.upgrade_catalog()
    if json:
        emit_json(results.Catalog(revision))
        return
    line(f"catalog at {revision}")
