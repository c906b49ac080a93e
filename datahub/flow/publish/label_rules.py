"""Expectations about labels and LFs, as a gate asks them: what a merge does to a dataset."""

from __future__ import annotations

import json

from datahub.core.check_kinds import DESTINATION
from datahub.core.check_result import CheckResult
from datahub.core.errors import GateError, RefNotFound
from datahub.core.gate_suite import suite_of
from datahub.core.label_change import DatasetChange
from datahub.core.label_checks import CHECKS, LabelCheck, is_of_table, judge_change, label_checks
from datahub.core.table_view import Slice
from datahub.core.versions import CommitId
from datahub.flow.dataset.at import At
from datahub.flow.publish.label_changes import dataset_change
from datahub.flow.publish.table_views import MergeView
from datahub.ports import PartProfiles, Rows, VersionStore


def split_suite(suite: bytes, *, name: str) -> tuple[list[LabelCheck], bytes | None]:
    """Datahub's own expectations, and the suite of all others; None where there is none.

    Raises GateError.
    """
    read = suite_of(suite, name=name)
    own = label_checks(read)
    if not own:
        return own, suite
    rest = [entry for entry in read.entries if entry["type"] not in CHECKS]
    if not rest:
        return own, None
    content = {"name": read.name, "expectations": rest, "suite_parameters": read.parameters}
    return own, json.dumps(content).encode()


class LabelChanges:
    """What a merge does to labels, next to the destination or another ref; each computed once."""

    def __init__(
        self, store: VersionStore, rows: Rows, head: CommitId, profiles: PartProfiles | None = None
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._rows = rows
        self._head = head
        self._changes: dict[tuple[str, str, str], DatasetChange] = {}

    def judge(self, check: LabelCheck, at: At, *, suite: str, table: str) -> CheckResult:
        """What became of an expectation; "could not run" where its ref is not there."""
        try:
            if is_of_table(check):
                before = self._before(at, check.against)
                view = MergeView(before, at, table, self._profiles)
                return judge_change(check, view, suite=suite)
            only = check.kwargs.get("slice")
            return judge_change(check, self._change(at, check.against, only), suite=suite)
        except (RefNotFound, GateError) as error:
            return CheckResult(
                suite, check.kind, "could not run", error.message, at.name, hint=error.hint
            )

    def _before(self, at: At, against: str) -> At:
        ref = self._head if against == DESTINATION else against
        return At.of(self._store, self._rows, ref, at.name)

    def _change(self, at: At, against: str, only: Slice) -> DatasetChange:
        name = at.name, against, json.dumps(only)
        if name not in self._changes:
            if not at.has("labels"):
                raise GateError(
                    f"{at.name!r} has no labels in this merge.",
                    hint="Run `datahub lf run` and `datahub label fit` on the source branch.",
                )
            before = self._before(at, against)
            self._changes[name] = dataset_change(before, at, ran=(), only=only)
        return self._changes[name]
