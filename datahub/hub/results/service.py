"""Results of the server alone: its repositories, accounts, and pages of rows."""

from __future__ import annotations

from dataclasses import dataclass

from datahub.hub.results.shape import Cell, Key, Shape, Time


@dataclass(frozen=True)
class Repository(Shape):
    """A repository of a server, and the role in it of who asks."""

    name: str
    role: str


@dataclass(frozen=True)
class RowPage(Shape):
    """Rows by key, as of a commit. `next` is the `after` of the next page; null: no more rows."""

    commit: str
    key: str
    rows: list[dict[str, Cell]]
    next: Key | None


@dataclass(frozen=True)
class Member(Shape):
    """Somebody's role in a repository; null: none any more."""

    user: str
    repository: str
    role: str | None


@dataclass(frozen=True)
class Token(Shape):
    """A token. `used` is when it was last used, to a minute."""

    id: str
    user: str
    scope: str
    note: str
    created: Time
    expires: Time
    used: Time | None
    revoked: Time | None


@dataclass(frozen=True)
class NewToken(Token):
    """The same with the token itself, which is shown this once."""

    token: str


@dataclass(frozen=True)
class SignedIn(Shape):
    """Who is signed in. `csrf` goes into the header X-CSRF-Token of every write by a session."""

    user: str
    csrf: str | None


@dataclass(frozen=True)
class Written(Shape):
    """An entry of the log of writes: `state` is begun, done or refused; `detail` is JSON."""

    number: int
    time: Time
    user: str
    via: str
    request: str
    repository: str
    act: str
    state: str
    detail: str
    before: str
    hash: str


@dataclass(frozen=True)
class Started(Shape):
    """What `datahub serve` says when it listens. `sign_in` works once, for some minutes."""

    url: str
    sign_in: str
    repositories: list[str]
    pid: int


@dataclass(frozen=True)
class Healthy(Shape):
    """Whether the server runs (`/healthz`), or can answer (`/readyz`)."""

    status: str


@dataclass(frozen=True)
class HTTPProblem(Shape):
    """An error as RFC 9457 says, with datahub's `code` and `hint`.

    More members may be there: `verdict`, `conflicts`, `set_aside`, `results`, as in `Problem`.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str


@dataclass(frozen=True)
class AskedTask(Shape):
    """A row that waits for your answer, as people see it: one of `classes`, or a skip.

    `guess` is what a model takes for its class; null where that is hidden.
    """

    task: str
    key: Key
    fields: dict[str, str]
    guess: str | None
    classes: list[str]
