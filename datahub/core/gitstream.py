"""History as git reads it: what `git fast-import` takes, objects as pointer files. Pure.

A pointer file is git-lfs's: version, SHA-256 and size of the bytes, which stay where they
are. A message ends in a line `Datahub: {...}` with what git has no place for.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from datahub.core.errors import InputError
from datahub.core.versions import Change, Commit, CommitId, ObjectId

TRAILER = "\n\nDatahub: "
_WORK = "refs/datahub/export"  # where commits are made; gone at the end
_NOWHERE = "0" * 40
_HINT = "Import what `datahub git export` wrote, without commits of others on top."


def pointer(oid: ObjectId, size: int) -> bytes:
    """The pointer file of an object.

    >>> pointer("ab" * 32, 7).decode().splitlines()[2]
    'size 7'
    """
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


def stream(
    commits: Iterable[tuple[Commit, Iterable[Change]]],
    *,
    branches: Mapping[str, CommitId],
    tags: Mapping[str, CommitId],
    size: Callable[[ObjectId], int],
) -> Iterator[bytes]:
    """The whole history. `commits` come parents first, each with its changes to the first one."""
    marks: dict[CommitId, int] = {}
    for commit, changes in commits:
        marks[commit.id] = len(marks) + 1
        if not commit.parents:
            yield f"reset {_WORK}\n\n".encode()
        yield _head(commit, marks)
        for change in changes:
            yield _file(change, size)
        yield b"\n"
    for kind, names in (("heads", branches), ("tags", tags)):
        for name, target in names.items():
            yield f"reset refs/{kind}/{name}\nfrom :{marks[target]}\n\n".encode()
    yield f"reset {_WORK}\nfrom {_NOWHERE}\n\ndone\n".encode()


def _head(commit: Commit, marks: Mapping[CommitId, int]) -> bytes:
    name, address = _person(commit.author)
    seconds = max(0, int(commit.time.timestamp()))  # git knows no time before 1970
    record = {
        "author": commit.author,
        "commit": commit.id,
        "metadata": dict(commit.metadata),
        "time": commit.time.isoformat(),
    }
    message = (commit.message + TRAILER + json.dumps(record, sort_keys=True) + "\n").encode(
        errors="surrogatepass"
    )
    lines = [f"commit {_WORK}", f"mark :{marks[commit.id]}"]
    lines += [f"{role} {name} <{address}> {seconds} +0000" for role in ("author", "committer")]
    above = [f"data {len(message)}", ""]
    links = [
        f"{word} :{marks[parent]}"
        for word, parent in zip(("from", *["merge"] * 99), commit.parents, strict=False)
    ]
    start = "\n".join([*lines, *above]).encode(errors="replace")
    return start + message + "".join(f"{link}\n" for link in links).encode()


def _file(change: Change, size: Callable[[ObjectId], int]) -> bytes:
    path = '"' + re.sub(r'(["\\])', r"\\\1", change.path).replace("\n", "\\n") + '"'
    if change.new is None:
        return f"D {path}\n".encode()
    content = pointer(change.new, size(change.new))
    return f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"


def _person(author: str) -> tuple[str, str]:
    """Name and address, without the signs that git has no room for.

    >>> _person("Ann <ann@x>"), _person("bob")
    (('Ann', 'ann@x'), ('bob', ''))
    """
    match = re.fullmatch(r"([^<>]*?)\s*<([^<>]*)>", author)
    name, address = (match[1], match[2]) if match else (author, "")
    return tuple(re.sub(r"[<>\n\0]", "", part) for part in (name, address))  # type: ignore[return-value]


def parse_pointer(content: bytes, path: str) -> ObjectId:
    """The object that a pointer file stands for. Raises InputError.

    >>> parse_pointer(pointer("ab" * 32, 7), "a")[:4]
    'abab'
    """
    digest = re.search(rb"^oid sha256:([0-9a-f]{64})$", content, re.MULTILINE)
    size = re.search(rb"^size ([0-9]+)$", content, re.MULTILINE)
    if digest is None or size is None or content != pointer(digest[1].decode(), int(size[1])):
        raise InputError(f"{path!r} is no pointer file of an export.", hint=_HINT)
    return digest[1].decode()


def parse_commit(message: bytes, parents: tuple[CommitId, ...], git_id: str) -> Commit:
    """The commit that a message with a trailer records. Raises InputError."""
    try:
        text, trailer, exact = message.decode(errors="surrogatepass").rpartition(TRAILER)
        record = json.loads(exact) if trailer else {}
        time = dt.datetime.fromisoformat(record["time"])
        texts = (
            record["commit"],
            record["author"],
            *record["metadata"],
            *record["metadata"].values(),
        )
        if not all(isinstance(value, str) for value in texts):
            raise TypeError("a trailer holds text")
        return Commit(record["commit"], parents, text, record["author"], time, record["metadata"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Commit {git_id[:12]} of the git repository was not written by an export.", hint=_HINT
        ) from error
