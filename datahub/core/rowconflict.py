"""What both sides of a merge changed differently, who made each, and the errors that list it.

A conflict is of rows (a cell, a whole row, or a row's label), of a field of a dataset (its
classes), or of an object (a file both sides changed). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datahub.core.dataset import Key
from datahub.core.error_kinds import Conflict


@dataclass(frozen=True)
class MadeBy:
    """Who or what made a value: people's annotations, models and LFs, or a commit."""

    annotations: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    model: str = ""
    lfs: tuple[str, ...] = ()
    commit: str = ""
    author: str = ""

    def __str__(self) -> str:
        """In a few words.

        >>> str(MadeBy(annotators=("ann",), annotations=("17",)))
        'ann (17)'
        """
        if self.annotators:
            return f"{', '.join(self.annotators)} ({', '.join(self.annotations)})"
        if self.model:
            return f"{self.model}: {', '.join(self.lfs)}" if self.lfs else self.model
        return f"{self.author} in {self.commit[:12]}" if self.commit else ""


NOBODY = MadeBy()


@dataclass(frozen=True)
class RowConflict:
    """One thing that both sides changed differently.

    `key` is a row's key, a path (table "object") or None; `column` None is all of it. `kind`:
    both changed, both added, ours removed, theirs removed, people disagree, models disagree.
    """

    dataset: str
    table: str
    key: Key | None
    column: str | None
    kind: str
    base: object
    ours: object
    theirs: object
    ours_by: MadeBy = NOBODY
    theirs_by: MadeBy = NOBODY

    @property
    def place(self) -> tuple[str, str, Key | None, str | None]:
        """What tells it from all other conflicts of a merge."""
        return self.dataset, self.table, self.key, self.column


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
                if any(conflict.table == "label_model" for conflict in conflicts)
                else ""
            ),
        )
        self.conflicts = tuple(conflicts)


class ChangedSince(Conflict):
    """A commit cannot be undone or repeated: what it changed, the branch changed otherwise.

    `conflicts` are all such changes: ours is what the branch holds.
    """

    code = "changed_since"

    def __init__(self, conflicts: Sequence[RowConflict], action: str) -> None:
        super().__init__(
            f"Could not {action}: the branch holds something else at {_places(conflicts)}. "
            "Nothing was changed.",
            hint="--ours keeps what the branch holds, --theirs does it anyway; --rule settles "
            "tied answers; or one by one: --conflicts FILE writes the list, fill in `take` or "
            "`value`, then --decisions FILE. `datahub restore DATASET --from REF` takes a dataset "
            "whole.",
        )
        self.conflicts = tuple(conflicts)


def _sides_or_rules(conflicts: Sequence[RowConflict], rule: str | None) -> str:
    """What settles conflicts of these kinds: rules speak of people's answers alone."""
    if all(conflict.kind == "people disagree" for conflict in conflicts):
        return "Settle them with --ours or --theirs, by a rule (--rule latest, majority or gold), "
    people = any(conflict.kind == "people disagree" for conflict in conflicts)
    if rule is not None:
        sentence = f"--rule {rule} is for rows on which people are tied; settle the rest by adding "
        return sentence + "--ours or --theirs beside it, "
    if people:
        return (
            "Settle them with --ours or --theirs; where people disagree a rule (--rule latest, "
            "majority or gold) is applied first; "
        )
    return "Settle them with --ours or --theirs, "


def _places(conflicts: Sequence[RowConflict]) -> str:
    counts: dict[str, int] = {}
    for conflict in conflicts:
        rows = f"{conflict.table} of {conflict.dataset}"
        where = rows if conflict.dataset else str(conflict.key)
        counts[where] = counts.get(where, 0) + 1
    return ", ".join(f"{where} ({n})" if n > 1 else where for where, n in counts.items())
