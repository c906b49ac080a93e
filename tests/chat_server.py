"""A server on loopback that speaks the chat completions protocol, and misbehaves as told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Said:
    """One response: what the model answers, or another body altogether."""

    answer: str | None = "ham"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    refusal: str | None = None
    finish: str = "stop"
    usage: dict[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 2}
    )

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": {"message": "not now"}}).encode()
        message = {"role": "assistant", "content": self.answer, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return json.dumps(
            {"object": "chat.completion", "choices": [choice], "usage": self.usage}
        ).encode()


Answer = Callable[[str, int], Said]  # the user's message, how often it was asked before


class ChatServer:
    """What was asked, by whom, and how many at a time; `answer` decides what comes back."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.asked: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self.url = ""
        self._lock = threading.Lock()

    def take(self, body: dict[str, Any], key: str | None) -> Said:
        text = body["messages"][-1]["content"]
        with self._lock:
            self.bodies.append(body)
            self.keys.append(key)
            before = self.asked[text]
            self.asked[text] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self.answer(text, before)
        finally:
            with self._lock:
                self.at_once -= 1


@contextmanager
def serving(answer: Answer) -> Iterator[ChatServer]:
    """A server for the length of a test."""
    server = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            assert self.path == "/v1/chat/completions"
            said = server.take(body, self.headers.get("Authorization"))
            content = said.content()
            try:
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # whoever asked is gone
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
