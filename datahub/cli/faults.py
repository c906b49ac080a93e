"""What is no error of datahub's own: usage errors, which typer raises, and faults of datahub."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import traceback
from typing import Any

from datahub.cli.output import talk
from datahub.core.errors import DatahubError, told


class Bug(DatahubError):
    """Something that datahub did not expect: its fault, not the user's.

    What a report of it needs is in a file that only the user can read; `panics` are of Rust.
    """

    code = "bug"

    def __init__(self, error: BaseException, panics: str = "") -> None:
        path = _report(error, panics)
        super().__init__(
            " ".join(told(error).split()),
            hint="This is a fault of datahub. Please report it"
            + (f" with {path}." if path else ", and how it came to it."),
        )


def is_abort(error: BaseException) -> bool:
    """Whether a person ended a question by Ctrl-C or Ctrl-D."""
    return isinstance(error, _typers("Abort"))


def is_usage(error: BaseException) -> bool:
    """Whether the command line says what no command understands."""
    return isinstance(error, _typers("TyperException"))


def emit_usage(error: Any, *, as_json: bool) -> None:
    """Say what is wrong with the command line."""
    if not as_json:
        error.show()
        return
    where = error.ctx.command_path if getattr(error, "ctx", None) else "datahub"
    content = {"code": "usage", "message": error.format_message(), "hint": f"Try `{where} --help`."}
    talk(json.dumps({"error": content}, ensure_ascii=False))


def _typers(name: str) -> tuple[type[BaseException], ...]:
    """An exception class of typer; none where it was never loaded, or could not be."""
    typer = sys.modules.get("typer")
    return () if typer is None else (getattr(typer, name),)


def _report(error: BaseException, panics: str) -> str | None:
    """The name of a new file with the traceback; None where there is no room for one."""
    from datahub import __version__

    lines = [
        f"datahub {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n"
    ]
    try:
        lines += traceback.format_exception(error)
        descriptor, path = tempfile.mkstemp(prefix="datahub-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines([*lines, panics])
    except OSError:
        return None
    return path
