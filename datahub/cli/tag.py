"""`datahub tag`: list, create, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.gitwords import Names
from datahub.cli.output import emit_json, line
from datahub.hub import results

app = typer.Typer(cls=Names, help="Tags: list, create, delete.", invoke_without_command=True)


@app.callback()
def root(context: typer.Context, json: Json = False) -> None:
    """List tags when no command is named."""
    if context.invoked_subcommand is None:
        list_(json=json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List tags and their commits."""
    with open_hub() as hub:
        tags = hub.tags()
    if json:
        emit_json([results.Tag(name, commit) for name, commit in sorted(tags.items())])
        return
    for name, commit in sorted(tags.items()):
        line(f"{name} {commit[:12]}")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the new tag. It never moves.")],
    ref: Annotated[
        str | None, typer.Argument(help="Branch or commit (default: the current branch).")
    ] = None,
    json: Json = False,
) -> None:
    """Name a commit for good. `datahub tag NAME` does it too."""
    with open_hub() as hub:
        commit = hub.create_tag(name, at=ref)
    if json:
        emit_json(results.Tag(name, commit.id))
        return
    line(f"{name} {commit.id[:12]}")


@app.command()
def delete(name: Annotated[str, typer.Argument(help="Tag to remove.")], json: Json = False) -> None:
    """Remove a tag's name; its commit stays."""
    with open_hub() as hub:
        hub.delete_tag(name)
    if json:
        emit_json(results.Deleted(name))
        return
    line(f"deleted {name}")
