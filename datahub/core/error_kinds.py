"""The error tree: one kind of error for each thing that a caller can do about it.

Every error has a stable `code` (machines read it), a message and a hint. Facts
are attributes; the text is made once, here. Errors that hold a value of core stand
beside that value; `datahub.core.errors` has them all.
"""

from __future__ import annotations


class DatahubError(Exception):
    """What every error of datahub is."""

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(DatahubError):
    """A setting is missing or cannot be used."""

    code = "config"


class PromptNotReady(ConfigError):
    """A prompt names no model or no endpoint, and no setting does: it alone cannot run."""

    def __init__(self, lf: str, lacks: str, *, hint: str) -> None:
        super().__init__(f"LF {lf!r} is a prompt, and no {lacks} is named.", hint=hint)
        self.lf = lf


class InputError(DatahubError):
    """What the user handed in cannot be used."""

    code = "bad_input"


class SourceError(InputError):
    """A file of rows cannot be read as what it claims to be."""

    code = "bad_source"


class LabelingFunctionError(InputError):
    """A labeling function cannot be used, or broke its contract on a row."""

    code = "bad_labeling_function"

    def __init__(self, message: str, *, hint: str = "", lf: str = "", key: object = None) -> None:
        super().__init__(message, hint=hint)
        self.lf = lf
        self.key = key


class AnnotationError(InputError):
    """An annotation cannot be taken: empty, or a label outside the classes."""

    code = "bad_annotation"


class NotFound(DatahubError):
    """A named thing is not there."""

    code = "not_found"


class Conflict(DatahubError):
    """Somebody or something else is in the way."""

    code = "conflict"


class GateError(DatahubError):
    """The gate could not run. Never a pass."""

    code = "gate_could_not_run"


class LimitReached(DatahubError):
    """What may be spent is spent."""

    code = "limit_reached"

    def __init__(self, limit: str, setting: str) -> None:
        super().__init__(
            f"The limit of {limit} for prompts is reached.",
            hint=f"Nothing was committed, and no answer is lost: raise {setting} (or its flag) and "
            "run again, which asks only what is not answered yet.",
        )
        self.limit = limit


class AuthenticationError(DatahubError):
    """The other side does not know us."""

    code = "authentication"


class StorageError(DatahubError):
    """The disk is full, read-only, or gave back other bytes than were stored."""

    code = "storage"


class BackendError(DatahubError):
    """Another system answered wrongly or not at all."""

    code = "backend"

    def __init__(self, message: str, *, hint: str = "", backend: str = "") -> None:
        super().__init__(message, hint=hint)
        self.backend = backend


class Unavailable(BackendError):
    """Another system did not answer. The only error that is worth a retry."""

    code = "unavailable"


class Rejected(BackendError):
    """Another system answered, and said no."""

    code = "rejected"
