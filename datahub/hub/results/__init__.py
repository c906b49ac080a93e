"""What commands print with `--json`, declared: docs/json.md lists it.

Loaded when a result is first made: to make so many dataclasses takes a tenth of a second, which
`datahub --help` and most errors do not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datahub.hub.results.declared import *  # noqa: F403  what it lists in __all__


def __getattr__(name: str) -> Any:
    return getattr(import_module("datahub.hub.results.declared"), name)
