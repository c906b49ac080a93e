"""`datahub labelstudio`: a Label Studio server for this project, on loopback."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line, talk
from datahub.hub import results

app = typer.Typer(help="Label Studio on this machine: start, stop, status.", no_args_is_help=True)


Secrets = Annotated[
    bool, typer.Option("--show-secrets", help="Include password and token in JSON: mind your logs.")
]


@app.command()
def start(
    port: Annotated[int | None, typer.Option(help="Port (default: a free one).")] = None,
    show_secrets: Secrets = False,
    json: Json = False,
) -> None:
    """Install Label Studio if need be (2 minutes, 1 GB), and start it for this project."""
    with open_hub(labelstudio_port=port) as hub:
        info = hub.labelstudio_start(say=talk)
    _print(info, as_json=json, secrets=show_secrets)


@app.command()
def stop(json: Json = False) -> None:
    """Stop the server that `start` started."""
    with open_hub() as hub:
        was_running = hub.labelstudio_stop()
    if json:
        emit_json(results.Stopped(was_running))
        return
    line("stopped" if was_running else "it was not running")


@app.command()
def status(show_secrets: Secrets = False, json: Json = False) -> None:
    """Say whether it runs, and where."""
    with open_hub() as hub:
        info = hub.labelstudio_status()
    _print(info, as_json=json, secrets=show_secrets)


def _print(info: Any, *, as_json: bool, secrets: bool) -> None:
    if as_json:
        shape = results.ServerSecrets if secrets else results.Server
        emit_json(results.NoServer(running=False) if info is None else shape.of(info))
        return
    if info is None or not info.running:
        line("not running: `datahub labelstudio start`")
        return
    line(f"{info.url}")
    line(f"login: {info.email}  password: {info.password}")
