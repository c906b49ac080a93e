"""`datahub db`: the catalog's schema."""

from __future__ import annotations

import typer

from datahub.cli.context import Json, opened
from datahub.cli.output import emit_json, line

app = typer.Typer(help="The catalog's database.", no_args_is_help=True)


@app.command()
def upgrade(json: Json = False) -> None:
    """Bring the catalog's schema to the newest revision."""
    with opened() as hub:
        revision = hub.catalog.upgrade()
    if json:
        emit_json({"revision": revision})
        return
    line(f"catalog at {revision}")
