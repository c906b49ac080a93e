"""What was measured of parts before, kept on this machine."""

from __future__ import annotations

from typing import Protocol


class PartProfiles(Protocol):
    """Measures of parts by the id of the part's object and what was asked.

    All of it may be lost at any time; what is damaged is as if it were not there. Nothing raises.
    """

    def read(self, part: str, asked: str) -> bytes | None:
        """What was measured; None where it is not here."""
        ...

    def keep(self, part: str, asked: str, measured: bytes) -> None:
        """Keep what was measured, where that is possible."""
        ...
