"""The whole error tree: what happened, and what to do next.

Every error has a stable `code` (machines read it), a message and a hint. Facts
are attributes; the text is made once, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datahub.core.conflicts import Conflict as RowConflict
    from datahub.core.setaside import SetAside
    from datahub.core.verdict import Verdict


def told(error: BaseException) -> str:
    """What user code raised, as text that can be shown and stored, whatever the error is like.

    >>> told(ValueError("no number"))
    'ValueError: no number'
    """
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as unreadable:  # noqa: BLE001  its __str__ is user code too
        message = f"(its text raised {type(unreadable).__name__})"
    return storable(f"{type(error).__name__}: {message}"[:300])


def shown(value: object) -> str:
    """What user code gave, as a short text, whatever its `__repr__` does."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException as unreadable:  # noqa: BLE001  its __repr__ is user code too
        text = f"a {type(value).__name__} (its repr raised {type(unreadable).__name__})"
    return storable(text if len(text) <= 80 else text[:80] + "...")


def storable(text: str) -> str:
    r"""The text with what UTF-8 cannot hold written out.

    >>> storable("a\udc80")
    'a\\udc80'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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


class NothingToCommit(InputError):
    """The branch holds all of this already."""

    code = "nothing_to_commit"

    def __init__(self, branch: str) -> None:
        super().__init__(
            f"Nothing to commit: {branch!r} holds all of this already.",
            hint="Change something first; `datahub status` shows where things stand.",
        )
        self.branch = branch


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


class DatasetNotFound(NotFound):
    """No dataset of that name at that ref."""

    code = "dataset_not_found"

    def __init__(self, dataset: str, ref: str) -> None:
        super().__init__(
            f"Dataset {dataset!r} is not on {ref[:12] if len(ref) == 64 else ref!r}.",
            hint="`datahub import FILE --dataset NAME` adds one; `datahub status` lists them.",
        )
        self.dataset = dataset


class RowNotFound(NotFound):
    """No row of that key."""

    code = "row_not_found"

    def __init__(self, key: object, dataset: str, ref: str) -> None:
        super().__init__(
            f"Dataset {dataset!r} has no row {key!r} at {ref!r}.",
            hint="Keys are shown by `datahub review answer --list` and `datahub export`.",
        )
        self.key = key


class BranchNotFound(NotFound):
    """No branch of that name."""

    code = "branch_not_found"

    def __init__(self, branch: str) -> None:
        super().__init__(
            f"Branch {branch!r} does not exist.",
            hint="`datahub branch list` shows the branches you have.",
        )
        self.branch = branch


class RefNotFound(NotFound):
    """No branch, tag or commit of that name."""

    code = "ref_not_found"

    def __init__(self, ref: str) -> None:
        super().__init__(
            f"{ref!r} is no branch, tag or commit.",
            hint="`datahub branch list`, `datahub tag list` and `datahub log` show what there is.",
        )
        self.ref = ref


class TagNotFound(NotFound):
    """No tag of that name."""

    code = "tag_not_found"

    def __init__(self, tag: str) -> None:
        super().__init__(
            f"Tag {tag!r} does not exist.", hint="`datahub tag list` shows the tags you have."
        )
        self.tag = tag


class ObjectNotFound(NotFound):
    """A commit does not hold that path, or the store does not hold those bytes."""

    code = "object_not_found"

    def __init__(self, path: str, ref: str = "") -> None:
        where = f" at {ref}" if ref else ""
        super().__init__(
            f"There is no object {path!r}{where}.",
            hint="`datahub show REF` lists what a commit holds.",
        )
        self.path = path


class SuiteNotFound(NotFound):
    """gates.toml binds a suite that is not committed beside it."""

    code = "suite_not_found"

    def __init__(self, suite: str, branch: str) -> None:
        super().__init__(
            f"The gate of {branch!r} binds {suite!r}, which is not committed beside it.",
            hint="Add the suite to expectations/ and run `datahub gate set --reason ...`.",
        )
        self.suite = suite


class Conflict(DatahubError):
    """Somebody or something else is in the way."""

    code = "conflict"


class NothingToMerge(Conflict):
    """All that the source holds is on the branch already."""

    code = "nothing_to_merge"

    def __init__(self, source: str, into: str) -> None:
        super().__init__(
            f"{source!r} is in {into!r} already: there is nothing to merge.",
            hint="Commit something on the source branch first, or name another with --into.",
        )
        self.source = source
        self.into = into


class BranchExists(Conflict):
    """A branch of that name is there already."""

    code = "branch_exists"

    def __init__(self, branch: str) -> None:
        super().__init__(
            f"Branch {branch!r} exists already.",
            hint="Choose another name, or `datahub branch delete` the old one.",
        )
        self.branch = branch


class TagExists(Conflict):
    """A tag of that name is there already: tags do not move."""

    code = "tag_exists"

    def __init__(self, tag: str) -> None:
        super().__init__(
            f"Tag {tag!r} exists already.",
            hint="Choose another name, or `datahub tag delete` the old one.",
        )
        self.tag = tag


class StaleHead(Conflict):
    """The branch moved on after it was read. `both` are paths that either side changed."""

    code = "stale_head"

    def __init__(
        self, branch: str, expected: str, actual: str, *, both: Sequence[str] = ()
    ) -> None:
        more = f" and {len(both) - 5} more" if len(both) > 5 else ""
        shared = f" Both changed {', '.join(both[:5])}{more}." if both else ""
        super().__init__(
            f"Branch {branch!r} moved from {expected[:12]} to {actual[:12]} in the meantime."
            + shared,
            hint="Nothing was changed. Run the command again: it starts from the new head.",
        )
        self.both = tuple(both)
        self.branch = branch
        self.expected = expected
        self.actual = actual


class MergeConflict(Conflict):
    """Both sides changed the same things, differently. `conflicts` are all that is left to decide.

    `rule` is the one that was given, which has settled nothing of them.
    """

    code = "merge_conflict"

    def __init__(
        self, conflicts: Sequence[RowConflict], *, source: str, into: str, rule: str | None = None
    ) -> None:
        super().__init__(
            f"{len(conflicts)} conflict{'s' if len(conflicts) > 1 else ''} between {into!r} and "
            f"{source!r}: {_places(conflicts)}. Nothing was merged.",
            hint=_sides_or_rules(conflicts, rule)
            + "or one by one: --conflicts FILE writes the list, fill in `take` or `value`, then "
            "--decisions FILE."
            + (
                f" Models that disagree are best fitted again: `datahub merge {into} --into "
                f"{source} --ours`, `datahub lf run`, `datahub label fit`, then merge."
                if any(one.table == "label_model" for one in conflicts)
                else ""
            ),
        )
        self.conflicts = tuple(conflicts)


def _sides_or_rules(conflicts: Sequence[RowConflict], rule: str | None) -> str:
    """What settles conflicts of these kinds: rules speak of people's answers alone."""
    if all(one.kind == "people disagree" for one in conflicts):
        return "Settle them with --ours or --theirs, by a rule (--rule latest, majority or gold), "
    people = any(one.kind == "people disagree" for one in conflicts)
    if rule is not None:
        says = f"--rule {rule} is for rows on which people are tied; settle the rest by adding "
        return says + "--ours or --theirs beside it, "
    if people:
        return (
            "Settle them with --ours or --theirs; where people disagree a rule (--rule latest, "
            "majority or gold) is applied first; "
        )
    return "Settle them with --ours or --theirs, "


def _places(conflicts: Sequence[RowConflict]) -> str:
    counts: dict[str, int] = {}
    for one in conflicts:
        where = f"{one.table} of {one.dataset}" if one.dataset else str(one.key)
        counts[where] = counts.get(where, 0) + 1
    return ", ".join(f"{where} ({n})" if n > 1 else where for where, n in counts.items())


class ChangedSince(Conflict):
    """A commit cannot be undone or repeated: what it changed, the branch changed otherwise.

    `conflicts` are all such changes: ours is what the branch holds.
    """

    code = "changed_since"

    def __init__(self, conflicts: Sequence[RowConflict], doing: str) -> None:
        super().__init__(
            f"Could not {doing}: the branch holds something else at {_places(conflicts)}. "
            "Nothing was changed.",
            hint="--ours keeps what the branch holds, --theirs does it anyway; --rule settles "
            "tied answers; or one by one: --conflicts FILE writes the list, fill in `take` or "
            "`value`, then --decisions FILE. `datahub restore DATASET --from REF` takes a dataset "
            "whole.",
        )
        self.conflicts = tuple(conflicts)


class AnswersSetAside(Conflict):
    """A change of rows would set answers of people aside, and nobody has agreed to that.

    `losses` say what of each dataset; the counts are of all: answers, people who gave them, rows
    they are about, and open tasks whose rows are other ones.
    """

    code = "answers_set_aside"

    def __init__(self, losses: Sequence[SetAside]) -> None:
        super().__init__(
            f"This would set aside {' and '.join(map(str, losses))}. Nothing was changed.",
            hint="--yes (in Python: set_aside=True) does it anyway. Answers stay in the log, "
            "and count again where what was shown comes back; `datahub review push` asks again.",
        )
        self.losses = tuple(losses)
        self.answers = sum(loss.answers for loss in losses)
        self.people = len({name for loss in losses for name in loss.people})
        self.rows = sum(loss.rows for loss in losses)
        self.tasks = sum(loss.tasks for loss in losses)


class Guarded(Conflict):
    """A guarded branch takes merges with a passing verdict and nothing else."""

    code = "guarded"

    def __init__(self, branch: str, message: str = "", *, hint: str = "") -> None:
        super().__init__(
            message or f"Branch {branch!r} is guarded: it takes only merges that pass its gate.",
            hint=hint
            or f"Commit on a branch of your own (`datahub branch create NAME`), then "
            f"`datahub merge NAME --into {branch}`.",
        )
        self.branch = branch


class GateRefused(DatahubError):
    """The data said no. An outcome, not a crash."""

    code = "gate_refused"

    def __init__(self, verdict: Verdict, into: str) -> None:
        count = len(verdict.failures)
        what = "expectation" if count == 1 else "expectations"
        super().__init__(
            f"The gate of {into!r} refused {verdict.source[:12]}: {count} {what} failed.",
            hint="Fix what the reasons name on the source branch, then merge again.",
        )
        self.verdict = verdict
        self.into = into


class GateError(DatahubError):
    """The gate could not run. Never a pass."""

    code = "gate_could_not_run"


class NoGate(GateError):
    """Nobody has said what a branch must hold to: that is no pass."""

    code = "no_gate"

    def __init__(self, branch: str) -> None:
        super().__init__(
            f"Branch {branch!r} has no gate: there is nothing to judge by.",
            hint=f"Bind a suite to it in expectations/gates.toml, then `datahub gate set --into "
            f"{branch} --reason ...`. --ungated only sees whether the branches merge.",
        )
        self.branch = branch


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
