"""Forty files of random types, names and writers; `make soak` tries more."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak.files import soak
from bench.soak.outcome import Bounds

pytestmark = pytest.mark.slow


def test_every_way_out_says_what_pyarrow_and_duckdb_read(tmp_path: Path) -> None:
    """Accepted and equal, or refused by column: never altered, never a panic."""
    outcome = soak(tmp_path, count=40, seed=11)

    assert not outcome.wrong, "\n".join(outcome.findings)
    assert outcome.tried["accepted"] > 30
    assert outcome.tried["columns by DuckDB"] > 50


def test_a_column_that_its_own_writer_left_unreadable_is_named(tmp_path: Path) -> None:
    """Definition levels past their bound: pyarrow says so as an OSError, without the column."""
    outcome = soak(tmp_path, count=12, seed=4242, bounds=Bounds(first=11, minutes=None))

    assert not outcome.wrong, "\n".join(outcome.findings)
    assert outcome.tried["refused columns"] == 2
