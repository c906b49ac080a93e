"""`datahub git`: the history as a plain git repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line
from datahub.hub import results

app = typer.Typer(help="Plain git repositories of the history.", no_args_is_help=True)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one that is not there.")],
    json: Json = False,
) -> None:
    """Write all branches and tags as a git repository; objects become pointer files."""
    with open_hub() as hub:
        count = hub.git_export(folder)
    if json:
        emit_json(results.GitCopy(str(folder), count))
        return
    line(f"{count} commits in {folder}")


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A git repository that `git export` wrote.")],
    objects: Annotated[
        Path | None,
        typer.Option(help="Folder of the objects (default: git-lfs's own in FOLDER)."),
    ] = None,
    json: Json = False,
) -> None:
    """Take over an exported history, ids and all, in a project just made by `init`."""
    with open_hub() as hub:
        count = hub.git_import(folder, objects=objects)
    if json:
        emit_json(results.GitCopy(str(folder), count))
        return
    line(f"{count} commits from {folder}")
