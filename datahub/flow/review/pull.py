"""Answers into labels: what people said becomes lines of the log, and of every table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from datahub.core.dataset import Key
from datahub.core.layout import annotations_file
from datahub.core.relabel import Annotation
from datahub.core.versions import Commit
from datahub.flow.dataset.annotations import decisions_at, hashes_of
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft
from datahub.flow.label.judging_again import check_fitted, judge_again, relabel
from datahub.flow.label.tally import counts_of
from datahub.flow.review.answers import (
    AnswerSorter,
    latest,
    marks,
    refusal_changes,
    refusals_to_report,
    still_waiting,
)
from datahub.flow.review.asking import (
    NOTHING_FOUND,
    Asking,
    Discrepancies,
    ask_again,
    missing_entries,
    summarize,
)
from datahub.ports import EndModel, LedgerEntry, NewAnswers


@dataclass(frozen=True)
class PullReport:
    """What a pull brought: new log lines, answers it refused, rows it asked again.

    `refused` are (key, reason) of answers that wait until a person settles them, at each pull.
    """

    dataset: str
    annotations: int
    refused: tuple[tuple[Key, str], ...]
    asked_again: tuple[Key, ...]
    statuses: dict[str, int]
    changed: int
    commit: Commit
    withdrawn: int = 0
    found: Discrepancies = NOTHING_FOUND


def pull(review: Asking, *, end_model: EndModel | None = None) -> PullReport:
    """Take people's answers into the log, and make the labels what they say, in one commit.

    Answers inform rows alike, the end model learns from them, and the audit slice measures what
    may be accepted, under the policy of the last `label fit`.

    An answer outside the classes, an empty one, and one to a row that has changed since are
    refused, each with its reason; changed rows are asked again. Pulling twice adds nothing.
    """
    review.check()
    catalog, where = review.catalog, review.where
    response = review.queue.pull(catalog.cursor(**where), catalog.memory("seen", **where))
    review.step.progress("pull", len(response.annotations), len(response.annotations))
    refusals = catalog.memory("refused", **where).recall()
    answers = _sort_answers(review.at, response, refusals)
    check_fitted(review.at)
    commit, label_changes = _take(review, answers.log_lines, end_model)
    missing = _keep(review, response, answers, refusals)
    after = review.on(commit)
    again, head = ((), commit) if response.reconciliation.is_closed else ask_again(after)
    return PullReport(
        dataset=review.at.name,
        annotations=len(answers.log_lines),
        refused=refusals_to_report(answers.refusals, refusals),
        asked_again=again,
        statuses=_statuses(after.at),
        changed=label_changes,
        commit=head,
        withdrawn=sum(entry.withdrawn for entry in answers.log_lines),
        found=summarize(response.reconciliation, missing),
    )


def _sort_answers(at: At, response: NewAnswers, refusals: Mapping[str, str]) -> AnswerSorter:
    """What was pulled, and what waits since earlier pulls, by whether it can be taken."""
    pending = still_waiting(refusals, response)
    lines = (*response.annotations, *(answer.entry for answer in pending if answer.entry))
    log_lines = {replace(entry, columns=None) for entry in at.log}
    fresh = [entry for entry in lines if replace(entry, columns=None) not in log_lines]
    hashes = hashes_of(at, fresh)
    answers = AnswerSorter(refusals=[*response.refusals, *(a for a in pending if a.entry is None)])
    last = latest(at.log)
    for entry in fresh:
        answers.sort(entry, at.dataset, hashes, last)
    return answers


def _take(
    review: Asking, lines: Sequence[Annotation], end_model: EndModel | None
) -> tuple[Commit, int]:
    """Commit these lines of the log with what labels they come to; how many labels changed."""
    if not lines:
        return review.at.commit, 0
    at, step = review.at, review.step
    judgments = judge_again(
        at,
        end_model=end_model,
        decisions=decisions_at(at, more=tuple(lines)),
        audit_keys=at.audit_keys,
        progress=step.progress,
    )
    changes, _, count = relabel(at, judgments, step_id=step.id)
    draft = Draft(at, changes)
    draft.put(annotations_file(at.name, step.id), "".join(f"{e.to_json()}\n" for e in lines))
    commit = draft.commit(
        step,
        message=f"Take {len(lines)} annotations into {at.name}",
        metadata={"step": "review pull", "dataset": at.name, "annotations": str(len(lines))},
    )
    return commit, count


def _keep(
    review: Asking, response: NewAnswers, answers: AnswerSorter, refusals: Mapping[str, str]
) -> list[LedgerEntry]:
    """Keep in the catalog what was pulled; returns entries of rows whose task is gone."""
    ledger = review.ledger()
    ledger += _unknown(review, ledger, answers.stale)  # a catalog was lost: who asked, it knew
    keys = {entry.key for entry in response.annotations}
    log = [*review.at.log, *answers.log_lines]
    entries = {entry.key: entry for entry in marks(ledger, log, keys, answers.stale)}
    missing = missing_entries(
        [entries.get(entry.key, entry) for entry in ledger], response.reconciliation
    )
    review.catalog.keep(
        response.update,
        entries={**entries, **{entry.key: entry for entry in missing}}.values(),
        refusals=refusal_changes(answers.refusals, refusals),
        **review.where,
    )
    return missing


def _statuses(at: At) -> dict[str, int]:
    """How many rows have each status."""
    statuses: Counter[str] = Counter()
    for _, frame in at.parts("labels", columns=["status"]):
        statuses.update(counts_of(frame["status"]))
    return dict(sorted(statuses.items()))


def _unknown(
    review: Asking, ledger: Iterable[LedgerEntry], stale: Sequence[Annotation]
) -> list[LedgerEntry]:
    """Ledger entries of answers to rows that changed, where no ledger says who asked them."""
    keys = {entry.key for entry in ledger}
    return [
        LedgerEntry(**review.where, batch=e.batch, key=e.key, row_hash=e.row_hash, state="asked")
        for e in {entry.key: entry for entry in stale if entry.key not in keys}.values()
    ]
