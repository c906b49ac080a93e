"""What the command line was given before its command. Imports nothing that may be broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class State:
    """What the root group was given, and whether the command answers in JSON."""

    folder: Path = Path()
    json: bool = False
    verbose: int = 0  # how often -v was given


state = State()
