"""VersionStore on a lakeFS server. The only package that imports `lakefs_sdk`.

What lakeFS lacks is made of what it has: an object's SHA-256 is its user metadata, a commit's
exact text lies in its metadata as JSON, and "only if the head is still X" is a merge of a
temporary branch over an object in which any two of them differ (docs/lakefs.md).
"""

from datahub.adapters.versions_lakefs.store import LakeFSVersionStore

__all__ = ["LakeFSVersionStore"]
