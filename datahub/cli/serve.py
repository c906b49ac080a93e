"""`datahub serve`: this project over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from datahub.cli.context import Json
from datahub.cli.output import emit_json_line, line, talk
from datahub.cli.state import state
from datahub.hub import results


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: a free one.", min=0, max=65535)] = 8090,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            help="Host name that requests may be for; may be repeated. An address that other "
            "machines can reach needs one."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Serve this project over HTTP, until Ctrl-C. Prints a link that signs you in once."""
    from datahub.hub import Hub
    from datahub.web.serving import serve as serve_until_stopped

    def announce(user: str, started: results.Started) -> None:
        _announce(user, started, as_json=json)

    with Hub.open(state.folder, warn=lambda text: talk(f"warning: {text}")) as hub:
        serve_until_stopped(hub, host=host, port=port, names=host_name or [], announce=announce)


def _announce(user: str, started: results.Started, *, as_json: bool) -> None:
    if as_json:
        emit_json_line(started)
    else:
        line(f"{', '.join(started.repositories)} at {started.url}")
        line(f"sign in as {user}, once, within ten minutes: {started.sign_in}")
        talk("Ctrl-C stops the server.")
    sys.stdout.flush()
