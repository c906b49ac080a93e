"""`datahub member`: who has which role in this repository on a server."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line, talk
from datahub.hub import results

app = typer.Typer(help="Roles on a server: set, list, remove.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="Name of a person or a machine.")]


@app.command("set")
def set_(
    user: User,
    role: Annotated[str, typer.Argument(help="reader, annotator, labeler, maintainer or admin.")],
    json: Json = False,
) -> None:
    """Give somebody a role in this repository; the sessions of that user end."""
    with open_hub() as hub, hub.logged("member set", {"user": user, "role": role}):
        member = results.Member.of(hub.member_set(user, role))
    _print(member, as_json=json)


@app.command("list")
def list_(json: Json = False) -> None:
    """List who has which role in this repository."""
    with open_hub() as hub:
        members = results.Member.list_of(hub.members(repository=hub.repository))
    if json:
        emit_json(members)
        return
    for member in members:
        _print(member, as_json=False)
    if not members:
        talk("Nobody has a role: `datahub member set NAME ROLE`, or `datahub serve`.")


@app.command()
def remove(user: User, json: Json = False) -> None:
    """Take somebody's role away; the sessions of that user end."""
    with open_hub() as hub, hub.logged("member remove", {"user": user}):
        old = hub.member_remove(user)
    _print(results.Member(old.user, old.repository, None), as_json=json)


def _print(member: results.Member, *, as_json: bool) -> None:
    if as_json:
        emit_json(member)
        return
    line(f"{member.user} {member.role or 'no role'}")
