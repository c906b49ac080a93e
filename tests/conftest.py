"""What all tests share: a skip that `DATAHUB_REQUIRE` turns into a failure."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_or_fail(system: str, why: str) -> NoReturn:
    """Skip because `system` is not here; fail instead where DATAHUB_REQUIRE names it."""
    if system in os.environ.get("DATAHUB_REQUIRE", "").split(","):
        pytest.fail(f"{system} is required and not here: {why}")
    pytest.skip(f"{system} is not here: {why}")
