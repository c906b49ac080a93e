"""What the databases say when they cannot, in datahub's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    DatahubError,
    InputError,
    Rejected,
    StorageError,
    Unavailable,
)

UPGRADE = "Run `datahub db upgrade`."
URLS = "Use sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."


@contextmanager
def translate_errors() -> Iterator[None]:
    """The wall: only errors of datahub leave it, their cause chained."""
    try:
        yield
    except sa.exc.TimeoutError as error:  # the pool
        raise Unavailable("The catalog's connections are all busy.", backend="catalog") from error
    except sa.exc.DBAPIError as error:
        raise _translation(error) from error


def _translation(error: sa.exc.DBAPIError) -> DatahubError:
    cause: Any = error.orig
    text = " ".join(str(cause).split())[:300]
    if isinstance(cause, sqlite3.Error):
        return _sqlite_translation(getattr(cause, "sqlite_errorname", ""), text)
    return _postgres_translation(getattr(cause, "sqlstate", None), text, error)


def _sqlite_translation(name: str, text: str) -> DatahubError:
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(
            "The catalog is locked by another process.",
            hint="Wait until the other command has ended, and run this one again.",
            backend="catalog",
        )
    if name == "SQLITE_ERROR" and "no such" in text:
        return ConfigError(f"The catalog has another schema: {text}.", hint=UPGRADE)
    if name in ("SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_TOOBIG") or "CONSTRAINT" in name:
        return Rejected(f"The catalog refused: {text}.", backend="catalog")
    return StorageError(
        f"The catalog's file cannot be used: {text}.",
        hint="Look at free space and permissions of the folder .datahub. "
        "`datahub gc` frees what nothing reaches, also on a full disk.",
    )


def _postgres_translation(state: str | None, text: str, error: sa.exc.DBAPIError) -> DatahubError:
    if state is None and isinstance(error, sa.exc.OperationalError):
        state = _state_of_refused_connection(text)
    state = state or ""
    if state.startswith("28"):
        return AuthenticationError(
            "PostgreSQL refused the catalog's user or password.",
            hint="Check the catalog's address in your settings.",
        )
    if state == "3D000":
        return ConfigError(f"The catalog's database does not exist: {text}.", hint=URLS)
    if state.startswith("42P01"):
        return ConfigError(f"The catalog has another schema: {text}.", hint=UPGRADE)
    if state.startswith(("53100", "58", "XX", "25006")):
        return StorageError(f"PostgreSQL cannot store the catalog: {text}.")
    if state.startswith(("22", "54")):  # such as a NUL in text, or a key too long to index
        return InputError(f"The catalog cannot hold this: {text}.")
    if state.startswith(("08", "40", "53", "55P03", "57")) or isinstance(
        error, (sa.exc.OperationalError, sa.exc.InterfaceError)
    ):
        return Unavailable(
            f"The catalog's database did not answer: {text}.",
            hint="Check that PostgreSQL is running and reachable, then run the command again.",
            backend="catalog",
        )
    return Rejected(f"The catalog refused: {text}.", backend="catalog")


def _state_of_refused_connection(text: str) -> str:
    """A refused connection has no SQLSTATE in libpq: its words are all there is."""
    if "authentication failed" in text or "no password supplied" in text:
        return "28P01"
    if "does not exist" in text:
        return "28000" if "role" in text else "3D000"
    return "08001"
