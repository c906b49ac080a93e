"""Registry, wiring, and the Python API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.hub.registry import REGISTRY

if TYPE_CHECKING:
    from datahub.hub.hub import Hub

__all__ = ["REGISTRY", "Hub"]


def __getattr__(name: str) -> object:
    if name != "Hub":
        raise AttributeError(f"module 'datahub.hub' has no attribute {name!r}")
    from datahub.hub.hub import Hub

    return Hub
