"""What people and attackers do to a project with a guarded main, on the embedded store."""

from __future__ import annotations

from bench.soak.gate_calls import CALLS
from bench.soak.gate_database import EDITS
from bench.soak.gate_project import Act, make, opened
from bench.soak.gate_work import WORK

ATTACKS: dict[str, Act] = {**CALLS, **EDITS}

__all__ = ["ATTACKS", "WORK", "make", "opened"]
