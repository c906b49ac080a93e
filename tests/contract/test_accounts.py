"""Accounts: roles, tokens, sessions, and a log that nobody can change unseen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from datahub.core.accounts import LogEntry, Member, Role, Session, Token, digest
from datahub.core.errors import DatahubError
from datahub.flow.access import log
from datahub.hub.registry import REGISTRY, adapter
from datahub.ports.accounts import Accounts, Reply
from tests.postgres_server import PostgresServer

DATABASES = ("sqlite", "postgresql")
BACKENDS = [(name, database) for name in REGISTRY["accounts"] for database in DATABASES]
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TOKEN = Token("0a1b2c3d4e5f", "ada", "all", "laptop", NOON, NOON + HOUR)


@pytest.fixture(params=BACKENDS, ids="-".join)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param[1] == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def accounts(url: str) -> Iterator[Accounts]:
    catalog = adapter("catalog", "sql")(url)
    catalog.upgrade()
    made: Accounts = adapter("accounts", "sql")(catalog)
    yield made
    catalog.close()


def test_nobody_has_a_role_before_it_is_given(accounts: Accounts) -> None:
    assert accounts.roles("ada") == {}
    assert accounts.members() == []


def test_a_role_is_given_changed_and_taken(accounts: Accounts) -> None:
    accounts.set_role("ada", "news", Role.READER)
    accounts.set_role("ada", "news", Role.ADMIN)
    accounts.set_role("ada", "mail", Role.READER)

    assert accounts.roles("ada") == {"news": Role.ADMIN, "mail": Role.READER}
    assert accounts.members(repository="news") == [Member("ada", "news", Role.ADMIN)]

    accounts.set_role("ada", "news", None)

    assert accounts.roles("ada") == {"mail": Role.READER}


def test_a_change_of_role_ends_the_sessions_of_that_user_alone(accounts: Accounts) -> None:
    for user in ("ada", "bob"):
        accounts.add_session(f"of {user}", Session(user, NOON, NOON + HOUR, NOON + HOUR))

    accounts.set_role("ada", "news", Role.READER)

    assert accounts.session("of ada") is None
    assert accounts.session("of bob") is not None


def test_a_token_comes_back_with_its_digest(accounts: Accounts) -> None:
    accounts.add_token(TOKEN, "its digest")

    assert accounts.token(TOKEN.id) == (TOKEN, "its digest")
    assert accounts.token("ffffffffffff") is None
    assert accounts.tokens() == [TOKEN]


def test_a_token_is_revoked_once_and_its_use_is_noted(accounts: Accounts) -> None:
    accounts.add_token(TOKEN, "its digest")

    accounts.touch_token(TOKEN.id, now=NOON)

    assert accounts.revoke_token(TOKEN.id, now=NOON + HOUR)
    assert not accounts.revoke_token(TOKEN.id, now=NOON + 2 * HOUR)
    assert not accounts.revoke_token("ffffffffffff", now=NOON)
    assert accounts.tokens() == [replace(TOKEN, used=NOON, revoked=NOON + HOUR)]


def test_a_code_is_redeemed_once_and_in_time(accounts: Accounts) -> None:
    accounts.add_code("one", "ada", expires=NOON + HOUR)
    accounts.add_code("two", "ada", expires=NOON + HOUR)

    assert accounts.redeem_code("one", now=NOON) == "ada"
    assert accounts.redeem_code("one", now=NOON) is None
    assert accounts.redeem_code("two", now=NOON + HOUR) is None
    assert accounts.redeem_code("none", now=NOON) is None


def test_a_session_ends_no_later_than_asked(accounts: Accounts) -> None:
    session = Session("ada", NOON, NOON + HOUR, NOON + 2 * HOUR)
    accounts.add_session("digest", session)

    accounts.end_session("digest", at=NOON + HOUR)
    accounts.end_session("digest", at=NOON + 3 * HOUR)

    assert accounts.session("digest") == replace(session, expires=NOON + HOUR)
    assert accounts.session("another") is None


def test_the_log_chains_its_entries(accounts: Accounts) -> None:
    entries = [written(accounts, act) for act in ("POST one", "POST two", "POST three")]

    assert accounts.entries(limit=9, repository="news") == entries
    assert accounts.entries(after=1, limit=1, repository=None) == entries[1:2]
    assert accounts.entries(limit=9, repository="mail") == []
    assert log.first_break(entries) is None


def test_a_changed_entry_breaks_the_chain(accounts: Accounts) -> None:
    entries = [written(accounts, act) for act in ("POST one", "POST two", "POST three")]

    forged = [entries[0], replace(entries[1], user="mallory"), entries[2]]

    assert log.first_break(forged) == 2
    assert log.first_break([entries[0], entries[2]]) == 3
    assert log.first_break([]) is None


@pytest.mark.parametrize("statement", ["UPDATE write_log SET act = 'x'", "DELETE FROM write_log"])
def test_the_database_refuses_to_change_the_log(
    accounts: Accounts, url: str, statement: str
) -> None:
    entry = written(accounts, "POST one")

    with (
        pytest.raises(sa.exc.DBAPIError, match="only grows"),
        sa.create_engine(url).begin() as connection,
    ):
        connection.exec_driver_sql(statement)

    assert accounts.entries(limit=9, repository=None) == [entry]


def test_a_reply_is_claimed_once_and_kept(accounts: Accounts) -> None:
    def claim(now: dt.datetime = NOON, user: str = "ada") -> Any:
        return accounts.claim(user, "k", "print", now=now, since=now - 24 * HOUR)

    assert claim() is None
    assert claim() == Reply("print", 0, "{}", b"")

    reply = Reply("print", 201, '{"etag": "x"}', b"\x00body")
    accounts.settle("ada", "k", reply)

    assert claim() == reply
    assert claim(user="bob") is None
    assert claim(NOON + 25 * HOUR) is None


def test_a_key_that_is_given_back_may_be_claimed_again(accounts: Accounts) -> None:
    accounts.claim("ada", "k", "print", now=NOON, since=NOON)

    accounts.settle("ada", "k", None)

    assert accounts.claim("ada", "k", "other", now=NOON, since=NOON) is None


def test_what_is_no_text_for_the_database_is_an_error_of_ours(accounts: Accounts, url: str) -> None:
    """PostgreSQL takes no NUL; SQLite does, and gives it back."""
    try:
        accounts.set_role("a\0da", "news", Role.READER)
    except DatahubError:
        assert url.startswith("postgresql")
    else:
        assert accounts.roles("a\0da") == {"news": Role.READER}


def written(accounts: Accounts, act: str) -> LogEntry:
    note = log.Note("ada", "token 0a", "r1", "news", act)
    return log.write(accounts, note, "done", {"to": digest(act)}, now=NOON)
