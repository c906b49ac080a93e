"""Processes killed at random moments; `make bench` does a thousand rounds of it."""

from __future__ import annotations

from pathlib import Path

from bench.crash import run


def test_what_was_told_is_there_and_whole_after_every_kill(tmp_path: Path) -> None:
    outcome = run(25, tmp_path, seed=1)

    assert outcome.rounds == 25
    assert outcome.acknowledged >= 25
    assert (outcome.lost, outcome.damages, outcome.left_behind, outcome.stuck) == (0, 0, 0, 0)
