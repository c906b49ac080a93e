"""A server on this machine: its address, the host names that it goes by, and a clean end.

It listens on loopback, or on another address under host names that are named. FastAPI and
uvicorn load on use, and come with the extra `server`.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.hub import Hub

Announce = Callable[[str, results.Started], None]  # who the link signs in, and where

_EXTRA = {"fastapi", "starlette", "uvicorn", "prometheus_client"}
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_LAST_REQUESTS = 10  # seconds that requests under way have at the end
_STOPS = (signal.SIGINT, signal.SIGTERM)
_LOG = logging.getLogger("datahub.web")


def serve(hub: Hub, *, host: str, port: int, names: Sequence[str], announce: Announce) -> None:
    """Serve a project until SIGINT or SIGTERM. `announce` hears when it listens.

    `port` 0 is a free one. `names` are host names that requests may be for, beside loopback's.
    Raises ConfigError.
    """
    create_app, uvicorn_server = _loaded()
    for name in names:
        _check_host_name(name)
    with _listening(host, port, is_named=bool(names)) as listener, _errors_on_stderr():
        hub.upgrade_catalog()
        app = create_app(hub, hosts=[*names, _in_url(listener.getsockname()[0])])
        server = uvicorn_server(app, lambda: announce(*_started(hub, listener, names)))
        with _stopping(server):
            server.run(sockets=[listener])


def _loaded() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Makers of the app and of its server. Raises ConfigError where they are not installed."""
    try:
        import uvicorn

        from datahub.web.app import LOOPBACK, create_app, place_of
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ConfigError(
            f"The server needs {error.name}, which is not installed.",
            hint="`pip install 'datahub-labeling[server]'`.",
        ) from error

    class Server(uvicorn.Server):
        """Says when it listens."""

        def __init__(self, app: Any, say: Callable[[], None]) -> None:
            super().__init__(
                uvicorn.Config(
                    app,
                    http="h11",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,  # a path may hold a sign-in code
                    server_header=False,
                    proxy_headers=False,  # anybody on this machine could send them
                    timeout_graceful_shutdown=_LAST_REQUESTS,
                )
            )
            self._say = say

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self._say()

    def app_of(hub: Hub, *, hosts: Sequence[str]) -> Any:
        return create_app(place_of(hub, [hub]), hosts=(*LOOPBACK, *hosts))

    return app_of, Server


def _check_host_name(name: str) -> None:
    if not _HOST_NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no host name.",
            hint="Give it without scheme and port: --host-name data.example.org",
        )


def _listening(host: str, port: int, *, is_named: bool) -> socket.socket:
    """A socket that listens. Raises ConfigError."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{host!r} is no address: {error}.", hint="Leave --host out to serve on 127.0.0.1."
        ) from error
    if not is_named and not ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise ConfigError(
            f"Other machines can reach {host}.",
            hint="Name the hosts that requests may be for: --host-name data.example.org. "
            "Or leave --host out to serve on 127.0.0.1.",
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"Nothing can listen on {host}, port {port}: {os.strerror(error.errno or 0)}.",
            hint="Name another port: --port 0 takes a free one.",
        ) from error
    return listener


def _started(
    hub: Hub, listener: socket.socket, names: Sequence[str]
) -> tuple[str, results.Started]:
    host, port = listener.getsockname()[:2]
    name = names[0] if ip_address(host.partition("%")[0]).is_unspecified else _in_url(host)
    url = f"http://{name}:{port}"
    user, code = hub.invite_admin()
    link = f"{url}/sign-in?code={code}"
    return user, results.Started(url, link, [hub.repository], os.getpid())


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _stopping(server: Any) -> Iterator[None]:
    """Uvicorn raises a signal that stopped it once more at its end: here that is the end."""

    def stop(number: int, frame: Any) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _errors_on_stderr() -> Iterator[None]:
    """Faults of requests, which answers name by their ids, are told without `-v` too."""
    handler, is_heard = logging.StreamHandler(), _LOG.propagate
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _LOG.addHandler(handler)
    _LOG.propagate = False
    try:
        yield
    finally:
        _LOG.removeHandler(handler)
        _LOG.propagate = is_heard
