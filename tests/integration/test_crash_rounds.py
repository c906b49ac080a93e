"""Processes killed at random moments; `make bench` does a thousand rounds of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import crash_cli
from bench.crash import run

pytestmark = pytest.mark.slow


def test_what_was_told_is_there_and_whole_after_every_kill(tmp_path: Path) -> None:
    outcome = run(25, tmp_path, seed=1)

    assert outcome.rounds == 25
    assert outcome.acknowledged >= 25
    assert (outcome.lost, outcome.damages, outcome.left_behind, outcome.stuck) == (0, 0, 0, 0)


def test_commands_that_are_killed_lose_nothing_and_can_be_run_again(tmp_path: Path) -> None:
    """Each of import, lf run, label fit, merge, tag and gc once."""
    outcome = crash_cli.run(len(crash_cli.ACTS), tmp_path / "project", seed=1)

    assert outcome.killed
    assert (outcome.lost, outcome.damages, outcome.left_behind) == (0, 0, 0)
    assert (outcome.believed, outcome.stuck) == (0, [])
