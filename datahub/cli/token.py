"""`datahub token`: what programs sign in with on a server."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line, table, talk
from datahub.core.accounts import life_of
from datahub.hub import results

app = typer.Typer(help="Tokens for a server: create, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    user: Annotated[str, typer.Argument(help="Whose token it is: it has this user's roles.")],
    life: Annotated[str, typer.Option(help="90d or 12h; at most 366d.")] = "30d",
    scope: Annotated[
        str, typer.Option(help="all, or judge: for CI, which judges and reads verdicts.")
    ] = "all",
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    json: Json = False,
) -> None:
    """Make a token. It is shown this once, and stored nowhere."""
    detail = {"user": user, "scope": scope, "life": life}
    with open_hub() as hub, hub.logged("token create", detail):
        token, text = hub.token_create(user, scope=scope, note=note, life=life_of(life))
        has_role = any(member.user == user for member in hub.members())
    if json:
        emit_json(results.NewToken.of(token, token=text))
    else:
        line(text)
        talk(f"Token {token.id} of {user}, until {token.expires:%Y-%m-%d %H:%M} UTC.")
        talk("It is not shown again.")
    if not has_role:
        talk(f"warning: {user} has no role: `datahub member set {user} ROLE`.")


@app.command("list")
def list_(json: Json = False) -> None:
    """List all tokens without their secrets, those that ended too."""
    with open_hub() as hub:
        tokens = results.Token.list_of(hub.tokens())
    if json:
        emit_json(tokens)
        return
    columns = ["id", "user", "scope", "expires", "used", "revoked", "note"]
    table(columns, [[getattr(token, name) for name in columns] for token in tokens])


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="Id of the token: `datahub token list`.")],
    json: Json = False,
) -> None:
    """End a token."""
    with open_hub() as hub, hub.logged("token revoke", {"token": token}):
        ended = results.Token.of(hub.token_revoke(token))
    if json:
        emit_json(ended)
        return
    line(f"revoked {ended.id} of {ended.user}")
