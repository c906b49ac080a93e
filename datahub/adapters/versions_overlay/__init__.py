"""A version store over another one: it reads what is there, and keeps what is written for itself.

    store = OverlayVersionStore(base, ObjectFiles(folder))

Branches, commits and candidates that are made here are in memory, their bytes in `files`. Nothing
is written to the base. Where a name is moved here, the base's is no longer seen.
"""

from datahub.adapters.versions_overlay.store import OverlayVersionStore as OverlayVersionStore
