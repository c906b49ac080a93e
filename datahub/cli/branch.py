"""`datahub branch`: list, create, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.gitwords import Names
from datahub.cli.output import emit_json, line
from datahub.hub import results

app = typer.Typer(cls=Names, help="Branches: list, create, delete.", invoke_without_command=True)


@app.callback()
def root(
    context: typer.Context,
    show_current: Annotated[
        bool, typer.Option("--show-current", help="Only the current branch's name.")
    ] = False,
    json: Json = False,
) -> None:
    """List branches when no command is named."""
    if context.invoked_subcommand is None:
        list_(json=json) if not show_current else _current(json=json)


def _current(*, json: bool) -> None:
    with open_hub() as hub:
        name = hub.branch
    if json:
        emit_json(results.CurrentBranch(name))
        return
    line(name)


@app.command("list")
def list_(json: Json = False) -> None:
    """List branches and their heads."""
    with open_hub() as hub:
        branches = hub.branches()
        current = hub.branch
    if json:
        emit_json([results.Branch(name, head) for name, head in sorted(branches.items())])
        return
    for name, head in sorted(branches.items()):
        line(f"{'*' if name == current else ' '} {name} {head[:12]}")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the new branch.")],
    start: Annotated[
        str | None, typer.Argument(help="Branch or commit (default: the current branch).")
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="The same.")] = None,
    json: Json = False,
) -> None:
    """Cut a branch, without a copy. `datahub branch NAME` does it too."""
    with open_hub() as hub:
        commit = hub.create_branch(name, at=source or start)
    if json:
        emit_json(results.Branch(name, commit.id))
        return
    line(f"{name} {commit.id[:12]}")


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Branch to remove.")],
    force: Annotated[
        bool, typer.Option("--force", "-D", help="Even if nothing else reaches its commits.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove a branch's name, once it is merged or tagged."""
    with open_hub() as hub:
        hub.delete_branch(name, force=force)
    if json:
        emit_json(results.Deleted(name))
        return
    line(f"deleted {name}")
