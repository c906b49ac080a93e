"""A versioned dataset: bytes, names, history and landing, and the upkeep of all four."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from datahub.core.versions import Collected, Damage
from datahub.ports.bytes import Bytes
from datahub.ports.history import History
from datahub.ports.landing import Landing
from datahub.ports.refs import Refs


class VersionStore(Bytes, Refs, History, Landing, Protocol):
    """One repository: the sum of four ports. A use case takes the one that it needs."""


@runtime_checkable
class Upkeep(Protocol):
    """What a version store also does: look whether all is there, and clear away."""

    def check(self, *, deep: bool = True) -> list[Damage]:
        """What is wrong with all that a branch, a tag or a lease reaches.

        On a server: with what its branches and tags hold. `deep` reads every byte and holds
        it against its id; else it is only seen whether the objects are there.
        """
        ...

    def collect(self, *, before: datetime, dry_run: bool) -> Collected:
        """Remove what nothing reaches and nothing has reached since `before`.

        Objects stored, names deleted and candidates leased since then are kept: a writer may be
        about to commit them, a reader may be reading them. So are those since the first process
        began that is at work now. Others may work on meanwhile.
        """
        ...
