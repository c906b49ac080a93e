"""What code of the folder prints, each line with the file and line of code that printed it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import FrameType
from typing import TextIO


class PlaceStream(io.TextIOBase):
    """A stream that says who writes a line, where that is a file of `folder`.

    Files are named from `project` on. What libraries write by themselves passes as it is.
    """

    def __init__(self, stream: TextIO, *, project: Path, folder: Path) -> None:
        self._stream = stream
        self._project = project
        self._folder = folder
        self._begins = True  # a line: what is written next is its beginning

    def write(self, text: str) -> int:
        """Write it, and a place before each line that begins in it."""
        place = self._place(sys._getframe(1))
        for line in text.splitlines(keepends=True):
            self._stream.write(f"{place}{line}" if self._begins else line)
            self._begins = line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        """Keep nothing back."""
        self._stream.flush()

    def fileno(self) -> int:
        """The number of the file below."""
        return self._stream.fileno()

    def _place(self, frame: FrameType | None) -> str:
        while frame is not None:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(self._folder):
                inside = file.is_relative_to(self._project)
                path = file.relative_to(self._project) if inside else file
                return f"{path.as_posix()}:{frame.f_lineno}: "
            frame = frame.f_back
        return ""
