"""What datahub needs of the world, in its own words. Adapters fit these by shape.

All calls raise only errors of `datahub.core.errors`. The contract suite of each
port (tests/contract/) runs on every registered backend.
"""

from datahub.ports.catalog import Catalog, LedgerEntry, Refusal, Run
from datahub.ports.gate import Gate, Instead
from datahub.ports.git import GitCommit, GitHistory, GitRepositories
from datahub.ports.labeling import FoundLF, LFSource, LFWorkers, Loaded, Prompts
from datahub.ports.models import EndModel, LabelModel, LabelModelFit, Opinion
from datahub.ports.review import Pulled, ReviewQueue
from datahub.ports.rows import Files, Listing, PandasIndex, Remote, Rows
from datahub.ports.versions import Adopting, Ranged, Remembering, Sharing, Upkeep, VersionStore

__all__ = [
    "Adopting",
    "Catalog",
    "EndModel",
    "Files",
    "FoundLF",
    "Gate",
    "GitCommit",
    "GitHistory",
    "GitRepositories",
    "Instead",
    "LFSource",
    "LFWorkers",
    "LabelModel",
    "LabelModelFit",
    "LedgerEntry",
    "Listing",
    "Loaded",
    "Opinion",
    "PandasIndex",
    "Prompts",
    "Pulled",
    "Ranged",
    "Refusal",
    "Remembering",
    "Remote",
    "ReviewQueue",
    "Rows",
    "Run",
    "Sharing",
    "Upkeep",
    "VersionStore",
]
