"""What datahub needs of the world, in its own words. Adapters fit these by shape.

All calls raise only errors of `datahub.core.errors`. The contract suite of each
port (tests/contract/) runs on every registered backend.
"""

from datahub.ports.accounts import Accounts, Reply
from datahub.ports.bytes import Bytes, Ranged, Sharing
from datahub.ports.catalog import Catalog, LedgerEntry, Refusal, Run, Where
from datahub.ports.gate import GateEngine, Instead
from datahub.ports.git import GitCommit, GitHistory, GitRepositories
from datahub.ports.history import Adopting, History, Remembering
from datahub.ports.jobs import Jobs
from datahub.ports.journal import JournalEntry, VoteJournal
from datahub.ports.labeling import FoundLF, LeftOut, LFSet, LFSource, LFWorkers, Prompts
from datahub.ports.landing import Landing
from datahub.ports.models import Embedder, EndModel, LabelModel, LabelModelFit, Opinion
from datahub.ports.profiles import PartProfiles
from datahub.ports.refs import Refs
from datahub.ports.review import (
    FORGOTTEN,
    Memory,
    MemoryUpdate,
    NewAnswers,
    Reconciliation,
    RefusedAnswer,
    ReviewQueue,
)
from datahub.ports.rows import Files, Listing, PandasIndex, Remote, Rows
from datahub.ports.versions import Upkeep, VersionStore

__all__ = [
    "FORGOTTEN",
    "Accounts",
    "Adopting",
    "Bytes",
    "Catalog",
    "Embedder",
    "EndModel",
    "Files",
    "FoundLF",
    "GateEngine",
    "GitCommit",
    "GitHistory",
    "GitRepositories",
    "History",
    "Instead",
    "Jobs",
    "JournalEntry",
    "LFSet",
    "LFSource",
    "LFWorkers",
    "LabelModel",
    "LabelModelFit",
    "Landing",
    "LedgerEntry",
    "LeftOut",
    "Listing",
    "Memory",
    "MemoryUpdate",
    "NewAnswers",
    "Opinion",
    "PandasIndex",
    "PartProfiles",
    "Prompts",
    "Ranged",
    "Reconciliation",
    "Refs",
    "Refusal",
    "RefusedAnswer",
    "Remembering",
    "Remote",
    "Reply",
    "ReviewQueue",
    "Rows",
    "Run",
    "Sharing",
    "Upkeep",
    "VersionStore",
    "VoteJournal",
    "Where",
]
