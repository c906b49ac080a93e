"""What an LF reaches that is not of its folder: the standard library, and installed packages."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import sys

# Whoever calls these votes by more than the row and the code.
ASKING_BUILTINS = {
    *("open", "input", "eval", "exec", "compile", "globals", "__import__", "__file__"),
    *("hash", "id"),
}
ASKING_MODULES = {
    *("glob", "http", "httpx", "importlib", "io", "locale", "os", "pathlib", "random"),
    *("requests", "secrets", "socket", "sqlite3", "subprocess", "sys", "time", "urllib"),
    *("uuid",),
}


@functools.cache
def version_of(package: str) -> str | None:
    """The version of an installed package; empty for the standard library, None if unknown."""
    if package in sys.stdlib_module_names:
        return ""
    if package == "datahub":
        return str(vars(sys.modules[package])["__version__"])
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
        return importlib.metadata.version(package)
    owners = importlib.metadata.packages_distributions().get(package, [])
    return importlib.metadata.version(owners[0]) if owners else None
