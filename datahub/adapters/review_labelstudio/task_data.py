"""What a task carries in Label Studio, and how it comes back.

On the page: text, title, image, details, guess. For the answer: row_key, row_hash, batch. What
would tell an audit row from a doubted one (why it is asked, in which batch, what the models say)
is `sealed`: to whoever has no more than Label Studio, all tasks look the same; in place of its
batch a task has a token of its own. That is no protection against people who have the repository.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datahub.adapters.review_labelstudio.kinds import is_image, shown_date
from datahub.adapters.review_labelstudio.page import Page
from datahub.core.errors import Rejected
from datahub.core.triage import Task

TASKS_PER_POST = 2_500  # an import request is atomic
CHARACTERS_PER_POST = 16_000_000
NO_IMAGE = (  # 1000 x 1 transparent points: the page shows an image as wide as its pane
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAA+gAAAABAQMAAAB3zhZwAAAAA1BMVEX///+n"
    "xBvIAAAAAXRSTlMAQObYZgAAAAxJREFUeNpjYBhIAAAAfgABEmv7oQAAAABJRU5ErkJggg=="
)
SEALED_FIELDS = ("reason", "slice", "prediction", "score")
SEALED_LENGTHS = 512  # bytes: what is sealed is as long as a multiple of it
TOKEN_LENGTH = 32  # of hexadecimal digits


def task_request(
    task: Task, batch: str, page: Page, *, secret: str, guess: str | None, sealed_length: int
) -> dict[str, Any]:
    """What is posted for a task; `guess` is the class that is shown as one, or None."""
    rest = {name: value for name, value in task.fields.items() if name != page.main}
    token = _token(secret, f"{batch}/{json.dumps(task.key)}/{task.row_hash}")
    return {
        "data": {
            "text": task.fields.get(page.main, "") if page.main is not None else "",
            **_page_fields(rest, page),
            "guess": f"Guess: {guess}" if guess is not None else "No guess",
            "row_key": task.key,
            "row_hash": task.row_hash,
            "batch": token,
            "text_field": page.main if page.main in task.fields else None,
            "other_fields": rest,
            "sealed": _seal(_pack(task, batch), secret, _place(token, task.key), sealed_length),
        }
    }


def sealed_length(tasks: Sequence[Task], batch: str) -> int:
    """How long what is sealed is in all tasks of a push, so that lengths tell nothing."""
    longest = max((len(_pack(task, batch)) for task in tasks), default=0)
    return -(-longest // SEALED_LENGTHS) * SEALED_LENGTHS


def task_of(data: Mapping[str, Any], *, secret: str) -> Task:
    """The task that was posted as this data, also by an earlier datahub. Raises Rejected."""
    main = {data["text_field"]: data["text"]} if data["text_field"] is not None else {}
    values = _open_task(data, secret) if "sealed" in data else data
    return Task(
        key=data["row_key"],
        row_hash=data["row_hash"],
        fields={**main, **data["other_fields"]},
        **{name: values[name] for name in SEALED_FIELDS},
    )


def batch_of(data: Mapping[str, Any], *, secret: str) -> str:
    """The batch that a task was posted in, also by an earlier datahub, which did not seal it.

    Of a task that another repository sealed, its token.
    """
    try:
        values = _open_task(data, secret) if "sealed" in data else {}
    except Rejected:
        values = {}
    return str(values.get("batch", data["batch"]))


def guesses(tasks: Sequence[Task], *, secret: str) -> list[str | None]:
    """The guess that each task shows.

    Audit rows show none. So as many of the others show none either, by lot: that a guess is
    missing does not tell which a row is.
    """
    audits = sum(task.slice == "audit" for task in tasks)
    candidates = [task for task in tasks if task.prediction is not None and task.slice != "audit"]
    lots = sorted(candidates, key=lambda task: _digest(secret, f"{task.row_hash}/{task.key!r}"))
    without = {id(task) for task in lots[:audits]}
    return [
        None if task.slice == "audit" or id(task) in without else task.prediction for task in tasks
    ]


def posts(requests: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut into requests of a size that the server takes."""
    part: list[dict[str, Any]] = []
    size = 0
    for request in requests:
        length = len(request["data"]["text"]) + len(request["data"]["details"])
        if part and (len(part) == TASKS_PER_POST or size + length > CHARACTERS_PER_POST):
            yield part
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        yield part


def _page_fields(fields: Mapping[str, str], page: Page) -> dict[str, str]:
    """Title, image and details: what the page has besides the text."""
    title, image = (page.firsts.get(kind, "") for kind in ("title", "image"))
    names = {title} | ({image} if is_image(fields.get(image, "")) else set())
    lines = [
        f"{name}: {shown_date(value) if page.kinds.get(name) == 'date' else value}"
        for name, value in fields.items()
        if name not in names
    ]
    return {
        "title": fields.get(title, ""),
        "image": fields[image] if image in names and image in fields else NO_IMAGE,
        "details": "\n".join(lines),
    }


def _pack(task: Task, batch: str) -> bytes:
    values = {**{name: getattr(task, name) for name in SEALED_FIELDS}, "batch": batch}
    text = json.dumps(values).encode()
    return zlib.crc32(text).to_bytes(4, "big") + text


def _place(token: str, key: object) -> str:
    """What makes the stream of each task another one."""
    return f"{token}/{json.dumps(key)}"


def _token(secret: str, text: str) -> str:
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()[:TOKEN_LENGTH]


def _seal(content: bytes, secret: str, place: str, length: int) -> str:
    return base64.b64encode(_mask(content.ljust(length), secret, place)).decode()


def _open_task(data: Mapping[str, Any], secret: str) -> dict[str, Any]:
    return _open(data["sealed"], secret, _place(data["batch"], data["row_key"]))


def _open(envelope: str, secret: str, place: str) -> dict[str, Any]:
    content = _mask(base64.b64decode(envelope), secret, place)
    checksum, text = int.from_bytes(content[:4], "big"), content[4:].rstrip(b" ")
    if zlib.crc32(text) != checksum:
        raise Rejected(
            "A task in Label Studio was sealed by another repository, or changed by hand.",
            hint="Work in a clone of the repository that pushed it, or delete the task.",
            backend="label-studio",
        )
    values: dict[str, Any] = json.loads(text)
    return values


def _mask(text: bytes, secret: str, place: str) -> bytes:
    """The text under a stream of HMAC-SHA256 over a counter; twice is once."""
    blocks = (
        hmac.digest(secret.encode(), f"{place}/{n}".encode(), "sha256")
        for n in range(-(-len(text) // 32))
    )
    return bytes(a ^ b for a, b in zip(text, b"".join(blocks), strict=False))


def _digest(secret: str, text: str) -> str:
    return hashlib.sha256(f"{secret}/{text}".encode()).hexdigest()
