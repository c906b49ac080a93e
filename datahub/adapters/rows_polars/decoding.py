"""Files of text as UTF-8: one in another encoding is copied into it, a piece at a time."""

from __future__ import annotations

import codecs
import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp

from datahub.core.errors import InputError, SourceError

_PIECE = 2**20  # characters at a time
_HINT = "For example --encoding latin-1, cp1252, utf-16 or shift_jis."


def check_encoding(name: str) -> str:
    """The name of an encoding as Python has it; empty for UTF-8. Raises InputError."""
    if not name:
        return ""
    try:
        info = codecs.lookup(name)
        text, _ = info.decode(b"")
    except (LookupError, ValueError) as error:
        raise InputError(f"There is no encoding {name!r}.", hint=_HINT) from error
    except Exception as error:  # what bytes of base64 and the like say of none
        raise InputError(f"{name!r} is no encoding of text.", hint=_HINT) from error
    if not isinstance(text, str):
        raise InputError(f"{name!r} is no encoding of text.", hint=_HINT)
    return "" if info.name == "utf-8" else info.name


class Decoder:
    """Copies in UTF-8, for as long as this lives."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._folder: Path | None = None
        self._copies: dict[tuple[Path, int, int], Path] = {}

    def utf8(self, path: Path) -> Path:
        """The file, or its copy in UTF-8. Raises SourceError: it is not in that encoding."""
        if not self._encoding:
            return path
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="datahub-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        status = path.stat()
        mark = (path, status.st_size, status.st_mtime_ns)
        if mark not in self._copies:
            copy = self._folder / f"{len(self._copies)}{path.suffix}"
            _copy(path, copy, self._encoding)
            self._copies[mark] = copy
        return self._copies[mark]


def _copy(path: Path, copy: Path, encoding: str) -> None:
    lines = 1
    with path.open(encoding=encoding, newline="") as source, copy.open("wb") as target:
        try:
            while text := source.read(_PIECE):
                lines += text.count("\n")
                target.write(text.encode())
        except UnicodeError as error:
            raise SourceError(
                f"{path} is not in {encoding}, as its bytes after line {lines} tell.",
                hint=f"Name the encoding that it was written in. {_HINT}",
            ) from error
