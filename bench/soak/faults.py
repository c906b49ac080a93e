"""A proxy that spoils what passes: it drops, delays, doubles and cuts, and answers in 5xx.

It stands between datahub and a server on loopback. Which request is spoiled, and how, comes
from a seed; `calm` ends it.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

KINDS = (
    "dropped before",
    "dropped after",
    "delayed",
    "doubled",
    "doubled late",
    "cut",
    "cut without a length",
    "5xx before",
    "5xx after",
)
STATUSES = (500, 502, 503, 504)
PASSED_ON = ("authorization", "content-type", "accept")
SECONDS = 60


class Proxy(ThreadingHTTPServer):
    """Listens on loopback and passes on to `target`. `spoilt` counts by kind of fault.

    `script` are faults for the next requests, one each ("": none), before chance comes in. There,
    a request can be "revoked", too: its token counts no more.
    """

    daemon_threads = True

    def __init__(self, target: str, *, seed: int, share: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.share = share
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.spoilt: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.quiet = 0
        self.script: list[str] = []
        self.asked: list[str] = []
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._late: list[threading.Thread] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spoil(self, share: float, *, after: int) -> None:
        """Spoil this share of all requests, but none of the first ones."""
        self.share, self.quiet = share, after

    def calm(self) -> None:
        """Spoil nothing from here on; what was to come late has come."""
        self.share = 0.0
        for thread in self._late:
            thread.join()
        self._late.clear()

    def fault(self, path: str) -> tuple[str, float]:
        """What happens to the next request, and a number from 0 to 1 that says how much of it."""
        with self._lock:
            self.asked.append(path)
            if self.script:
                kind = self.script.pop(0)
                self.spoilt[kind] += bool(kind)
                return kind, self._random.random()
            self.quiet -= 1
            if self.quiet >= 0 or self._random.random() >= self.share:
                return "", 0.0
            kind = self._random.choice(KINDS)
            self.spoilt[kind] += 1
            self.met[request_kind(path)] += 1
            return kind, self._random.random()

    def close(self) -> None:
        """End it."""
        self.calm()
        self.shutdown()
        self.server_close()

    def later(self, seconds: float, request: httpx.Request) -> None:
        """Send a request again, after its answer was given."""

        def send() -> None:
            time.sleep(seconds)
            _sent(request)

        thread = threading.Thread(target=send, daemon=True)
        self._late.append(thread)
        thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Cut connections are what it is for."""


def request_kind(path: str) -> str:
    """What a request is for, in a word: its path without numbers and parameters."""
    parts = [part for part in path.partition("?")[0].split("/") if part and not part.isdigit()]
    return "/".join(parts[1:])


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind, much = self.server.fault(f"{self.command}{self.path}")
        request = httpx.Request(
            self.command,
            self.server.target + self.path,
            content=body,
            headers={k: v for k, v in self.headers.items() if k.lower() in PASSED_ON},
        )
        if kind == "dropped before":
            self._hang_up()
            return
        if kind == "revoked":  # the server itself says no
            nobody = {"authorization": "Bearer revoked", "content-type": "application/json"}
            token = b'{"refresh": "revoked"}' if "token" in self.path else b""
            request = httpx.Request(self.command, request.url, headers=nobody, content=token)
        if kind == "5xx before":
            self._fail(much)
            return
        if kind == "delayed":
            time.sleep(much / 2)
        answer = _sent(request)
        if kind == "doubled":
            answer = _sent(request)
        if kind == "doubled late":
            self.server.later(much * 2, request)
        if answer is None or kind == "dropped after":
            self._hang_up()
        elif kind == "5xx after":
            self._fail(much)
        else:
            self._answer(answer, kind, much)

    do_GET = do_POST = do_PATCH = do_DELETE = _pass_on

    def _answer(self, answer: httpx.Response, kind: str, much: float) -> None:
        content, cut = answer.content, kind.startswith("cut")
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
        if kind == "cut without a length":
            self.send_header("connection", "close")
            self.close_connection = True
        else:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: int(len(content) * much)] if cut else content)
        if cut:
            self.wfile.flush()
            self._hang_up()

    def _fail(self, much: float) -> None:
        status = STATUSES[int(much * len(STATUSES))]
        page = much * 8 % 2 < 1
        text = "<html>Bad gateway</html>" if page else json.dumps({"detail": "overloaded"})
        self.send_response(status)
        self.send_header("content-type", "text/html" if page else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):  # the other side was faster
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


def _sent(request: httpx.Request) -> httpx.Response | None:
    """The server's answer; None where there is no server now."""
    try:
        with httpx.Client(trust_env=False, timeout=SECONDS, verify=False) as client:
            return client.send(request)
    except httpx.TransportError:
        return None
