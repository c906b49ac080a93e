"""VersionStore in one folder of this machine. The only package that imports `dulwich`.

Bytes lie in `objects/` by their SHA-256; the graph of trees and commits (git's formats,
by dulwich, with SHA-256 ids), the branches and the leased candidates lie in `versions.db`
(SQLite); `staging/` holds files on their way in. No server, no lock files.
"""

from datahub.adapters.versions_embedded.store import EmbeddedVersionStore

__all__ = ["EmbeddedVersionStore"]
