"""What all tests share: a skip that `DATAHUB_REQUIRE` turns into a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests import postgres_server
from tests.postgres_server import PostgresServer


def skip_or_fail(system: str, why: str) -> NoReturn:
    """Skip because `system` is not here; fail instead where DATAHUB_REQUIRE names it."""
    if system in os.environ.get("DATAHUB_REQUIRE", "").split(","):
        pytest.fail(f"{system} is required and not here: {why}")
    pytest.skip(f"{system} is not here: {why}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, started when first asked for."""
    why = postgres_server.missing()
    if why:
        skip_or_fail("postgres", why)
    with postgres_server.running() as server:
        yield server
