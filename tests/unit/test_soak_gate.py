"""Attacks on the gate and the audit: ten here, three hundred in `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import gate

pytestmark = pytest.mark.slow


def test_what_no_gate_judged_is_not_called_clean(tmp_path: Path) -> None:
    """On the embedded store; the soak run takes a lakeFS server in, where there is one."""
    outcome = gate.soak(tmp_path, count=10, seed=7, lakefs=False)

    assert outcome.findings == []
    assert outcome.tried["attacks that took effect"] > 2
    assert outcome.tried["attempts without an attack"] > 2
