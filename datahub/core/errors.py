"""All errors of datahub by name: the kinds, those of versions, and those that hold a value.

What any of these modules imports in turn takes errors from `error_kinds` and not from here, so
that no import goes in a circle. Nothing here loads a table library.
"""

from __future__ import annotations

from datahub.core.accounts import (
    Forbidden,
    NotSignedIn,
)
from datahub.core.check_result import (
    ChecksNotRun,
)
from datahub.core.error_kinds import (
    AnnotationError,
    AuthenticationError,
    BackendError,
    ConfigError,
    Conflict,
    DatahubError,
    GateError,
    InputError,
    LabelingFunctionError,
    LimitReached,
    NotFound,
    PromptNotReady,
    Rejected,
    SourceError,
    StorageError,
    Unavailable,
)
from datahub.core.error_texts import (
    shown,
    storable,
    told,
)
from datahub.core.job import (
    JobEnded,
    JobNotFound,
    LeaseLost,
    OtherJob,
)
from datahub.core.rowconflict import (
    ChangedSince,
    MergeConflict,
)
from datahub.core.setaside import (
    AnswersSetAside,
)
from datahub.core.verdict import (
    GateRefused,
)
from datahub.core.version_errors import (
    BranchExists,
    BranchNotFound,
    DatasetNotFound,
    Guarded,
    NoGate,
    NothingToCommit,
    NothingToMerge,
    ObjectNotFound,
    RefNotFound,
    RowNotFound,
    StaleHead,
    SuiteNotFound,
    TagExists,
    TagNotFound,
)

__all__ = [
    "AnnotationError",
    "AnswersSetAside",
    "AuthenticationError",
    "BackendError",
    "BranchExists",
    "BranchNotFound",
    "ChangedSince",
    "ChecksNotRun",
    "ConfigError",
    "Conflict",
    "DatahubError",
    "DatasetNotFound",
    "Forbidden",
    "GateError",
    "GateRefused",
    "Guarded",
    "InputError",
    "JobEnded",
    "JobNotFound",
    "LabelingFunctionError",
    "LeaseLost",
    "LimitReached",
    "MergeConflict",
    "NoGate",
    "NotFound",
    "NotSignedIn",
    "NothingToCommit",
    "NothingToMerge",
    "ObjectNotFound",
    "OtherJob",
    "PromptNotReady",
    "RefNotFound",
    "Rejected",
    "RowNotFound",
    "SourceError",
    "StaleHead",
    "StorageError",
    "SuiteNotFound",
    "TagExists",
    "TagNotFound",
    "Unavailable",
    "shown",
    "storable",
    "told",
]
