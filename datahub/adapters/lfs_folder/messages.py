"""Messages to and from a process that runs users' code: JSON, and bytes of a length asked for.

That code may write on our pipes whatever it likes. So nothing here can run code: a message is
read up to a bound, taken for JSON in the strictest sense, and whatever is wrong with it is a
BadMessage. What it says is checked by whoever asked.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

MOST_TEXT = 32 * 2**20  # bytes of JSON in one message
_SIGN = b"datahub\n"
_HEAD = struct.Struct(">8sIQ")  # the sign, bytes of JSON, bytes that follow it


class BadMessage(Exception):
    """What came is no message of ours."""


def send(pipe: IO[bytes], message: Mapping[str, Any], content: bytes | memoryview = b"") -> None:
    """Write one message. Raises OSError where nobody reads any more."""
    text = json.dumps(message, allow_nan=False).encode()
    pipe.write(_HEAD.pack(_SIGN, len(text), len(content)))
    pipe.write(text)
    pipe.write(content)
    pipe.flush()


def receive(pipe: IO[bytes], *, content: int | None = 0) -> tuple[dict[str, Any], bytes]:
    """Read one message, with no bytes after it or exactly `content`; None: with any number.

    Raises EOFError where there are no more, BadMessage.
    """
    sign, text, follows = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    if sign != _SIGN:
        raise BadMessage("bytes that begin no message")
    if text > MOST_TEXT or (content is not None and follows not in (0, content)):
        raise BadMessage(f"a message of {text} and {follows} bytes")
    return _object(_exactly(pipe, text)), _exactly(pipe, follows)


def _object(text: bytes) -> dict[str, Any]:
    try:
        message = json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no JSON: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise BadMessage("no JSON object")
    return message


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size) if size else b""
    if len(content) != size:
        raise EOFError
    return content
