"""Errors of branches, tags, commits, datasets and gates: what is not there, or in the way."""

from __future__ import annotations

from collections.abc import Sequence

from datahub.core.error_kinds import Conflict, GateError, InputError, NotFound


class NothingToCommit(InputError):
    """The branch holds all of this already."""

    code = "nothing_to_commit"

    def __init__(self, branch: str) -> None:
        super().__init__(
            f"Nothing to commit: {branch!r} holds all of this already.",
            hint="Change something first; `datahub status` shows where things stand.",
        )
        self.branch = branch


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
        detail = f" Both changed {', '.join(both[:5])}{more}." if both else ""
        super().__init__(
            f"Branch {branch!r} moved from {expected[:12]} to {actual[:12]} in the meantime."
            + detail,
            hint="Nothing was changed. Run the command again: it starts from the new head.",
        )
        self.both = tuple(both)
        self.branch = branch
        self.expected = expected
        self.actual = actual


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
