"""What new rows ask for: relabel, refit, or nothing. Pure: results of expectations in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from datahub.core.check_result import CheckResult

State = Literal["fine", "refit", "relabel"]
# What is said of labels that LFs get wrong in a new way asks for people; all else for a fit.
RELABEL = frozenset(
    {"expect_label_shift_to_be_at_most", "expect_lf_conflict_rate_to_be_at_most"}
    | {"expect_annotator_agreement_to_be_at_least"}
)


@dataclass(frozen=True)
class Monitored:
    """A dataset next to a tag: rows that came since, those of them without a label, the evidence.

    `state` is what to do; `reasons` say why, in words.
    """

    dataset: str
    ref: str
    against: str
    rows: int
    new_rows: int
    unlabeled: int
    state: State
    reasons: tuple[str, ...]
    results: tuple[CheckResult, ...]


def advice(results: Sequence[CheckResult], unlabeled: int) -> tuple[State, tuple[str, ...]]:
    """What to do, and why: what is critical decides, warnings stand in the results."""
    failed = [one for one in results if one.state == "failed" and one.severity == "critical"]
    people = [one.message for one in failed if one.expectation in RELABEL]
    if people:
        return "relabel", tuple(people)
    reasons = [one.message for one in failed]
    if unlabeled:
        reasons.insert(0, f"{unlabeled} new rows have no label.")
    return ("refit", tuple(reasons)) if reasons else ("fine", ())


def watched(columns: Sequence[str], *, labels: bool, text: str | None) -> list[dict[str, Any]]:
    """The expectations that are asked of new rows, as a suite has them."""
    entries: list[tuple[str, dict[str, Any]]] = [
        ("expect_column_drift_to_be_at_most", {"column": name, "of": "new", "unclear": "pass"})
        for name in columns
    ]
    if text:
        kwargs = {"column": text, "unclear": "pass"}
        entries.append(("expect_text_drift_to_be_at_most", kwargs))
    if labels:
        entries += [
            ("expect_label_shift_to_be_at_most", {"unclear": "pass"}),
            ("expect_lf_conflict_rate_to_be_at_most", {}),
            ("expect_annotator_agreement_to_be_at_least", {"unclear": "pass"}),
        ]
    return [{"type": kind, "kwargs": kwargs} for kind, kwargs in entries]
