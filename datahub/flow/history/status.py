"""Where one stands, and what landed a commit. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from datahub.core.errors import ConfigError, LabelingFunctionError
from datahub.core.kept import FIT
from datahub.core.layout import GATES, RULES
from datahub.core.verdict import Verdict, gates_of
from datahub.core.versions import Commit, suite_hash
from datahub.flow.dataset.at import At
from datahub.flow.publish.consistency import label_gaps, mismatches
from datahub.flow.publish.verdicts import gates_at, verdict_at
from datahub.flow.review.open_rows import OpenRows
from datahub.flow.rows.keeping import rows_without_label
from datahub.ports import FoundLF, LeftOut, Rows, VersionStore


@dataclass(frozen=True)
class Stale:
    """Something that is out of date, and what to do about it."""

    what: str
    hint: str


@dataclass(frozen=True)
class DatasetState:
    """A dataset as a branch holds it; `unlabeled` rows came or changed since it was labeled."""

    name: str
    rows: int
    classes: tuple[str, ...]
    lfs: int
    labeled: bool
    unlabeled: int = 0


@dataclass(frozen=True)
class Status:
    """Where one stands: branch, head, its datasets, and what is out of date.

    `isolated`: LFs run apart from this machine's files, network and other processes; else
    `isolation_hint` says what to do. `refused`: they do not run at all, as they are to run
    apart. `left_out` are functions of the folder that give no votes, and why.
    """

    branch: str
    head: Commit
    guarded: bool
    datasets: tuple[DatasetState, ...]
    out_of_date: tuple[Stale, ...]
    isolated: bool = True
    isolation_hint: str = ""
    refused: bool = False
    left_out: tuple[LeftOut, ...] = ()


def status(
    branch: str,
    *,
    store: VersionStore,
    rows: Rows,
    lfs: Sequence[FoundLF],
    failure: LabelingFunctionError | ConfigError | None,
    rules: Mapping[str, bytes],
    questions: Mapping[tuple[str, str], OpenRows],
    is_isolated: bool = True,
    isolation_hint: str = "",
    left_out: Sequence[LeftOut] = (),
) -> Status:
    """Where a branch stands.

    `lfs` are the LFs on disk, or `failure` says why they cannot be had; `rules` are
    local rule files; `questions` counts rows that people were asked about, by dataset
    and queue; `is_isolated` says whether LFs run apart from this machine's files and network.
    A `failure` that is a ConfigError says that they may not run at all.
    """
    head = store.commit_at(branch)
    datasets = At.datasets(store, rows, head)
    is_refused = isinstance(failure, ConfigError)
    stale = [Stale(failure.message, failure.hint)] if failure and (datasets or is_refused) else []
    stale += [line for at in datasets for line in _stale_dataset(at, lfs)]
    has_model = {at.name: at.model is not None for at in datasets}
    for (name, queue), count in questions.items():
        if name in has_model:
            stale += _stale_questions(name, queue, count, has_model=has_model[name])
    is_guarded = bool(gates_at(store, head.id, branch))
    stale += _stale_rules(store, head.id, rules, is_guarded=is_guarded)
    return Status(
        branch=branch,
        head=head,
        guarded=is_guarded,
        datasets=tuple(map(_state, datasets)),
        out_of_date=tuple(stale),
        isolated=is_isolated and not is_refused,
        isolation_hint=isolation_hint,
        refused=is_refused,
        left_out=tuple(left_out),
    )


def verdict_of(store: VersionStore, ref: str) -> Verdict | None:
    """The verdict that landed a commit; None for a commit that is no gated merge."""
    commit = store.commit_at(ref)
    verdict = verdict_at(store, commit.id)
    if verdict is None or verdict.judged_head not in commit.parents[:1]:
        return None
    return verdict


def _state(at: At) -> DatasetState:
    return DatasetState(
        at.name,
        at.dataset.rows,
        at.dataset.classes,
        len(at.votes.lfs) if at.votes else 0,
        labeled=at.has("labels"),
        unlabeled=rows_without_label(at) or 0,
    )


def _stale_dataset(at: At, lfs: Sequence[FoundLF]) -> list[Stale]:
    name = at.name
    missing = at.rows_without_vectors if at.vectors else 0
    stale_vectors = [Stale(f"{missing} rows of {name} have no vectors yet", "`datahub embed`")]
    return (stale_vectors if missing else []) + _stale_labels(at, lfs)


def _stale_labels(at: At, lfs: Sequence[FoundLF]) -> list[Stale]:
    name, manifest = at.name, at.votes
    command = "`datahub label fit`" if at.votes_are_current else FIT
    unfit = [Stale(gap, command) for gap in label_gaps(at)]
    if manifest is None:
        return unfit or [Stale(f"No LF has voted on {name}", "`datahub lf run`")]
    try:
        stale = lf_edits(at, lfs)
    except LabelingFunctionError as error:
        return [Stale(error.message, error.hint), *unfit]
    stale += [Stale(state, FIT) for state in mismatches(at)] + unfit
    if at.model and at.model.vectors and (not at.vectors or at.vectors.space != at.model.vectors):
        stale.append(Stale(f"Labels of {name} are by vectors of before", "`datahub label fit`"))
    if not unfit and at.model is None:
        stale.append(Stale(f"No label model is fitted to {name}", "`datahub label fit`"))
    return stale


def lf_edits(at: At, lfs: Sequence[FoundLF]) -> list[Stale]:
    """What of the LFs is not what voted. Raises LabelingFunctionError: a name that is no class."""
    if at.votes is None:
        return []
    name, classes = at.name, at.dataset.classes
    votes = {entry.name: entry.fingerprint for entry in at.votes.lfs}
    now = {lf.name: lf.voting(classes).fingerprint for lf in lfs}
    stale = []
    edits = sorted(lf for lf in votes.keys() & now.keys() if votes[lf] != now[lf])
    for state, names in (
        ("edited", edits),
        ("new", sorted(now.keys() - votes.keys())),
        ("gone", sorted(votes.keys() - now.keys()) if lfs else []),
    ):
        if names:
            text = f"LFs {state} since the votes on {name}: {', '.join(names)}"
            stale.append(Stale(text, "`datahub lf run`"))
    return stale


def _stale_questions(name: str, queue: str, questions: OpenRows, *, has_model: bool) -> list[Stale]:
    """Answers that are open or not pulled; without a label model, a pull has nothing to change."""
    pull = f"`datahub review pull --queue {queue}`"
    pull = pull if has_model else f"{FIT}, then {pull}"
    if questions.rows and questions.answered is None:
        text = f"Rows of {name} asked in {queue}, with no answer pulled yet: {questions.rows}"
        return [Stale(text, f"answer in {queue}, then {pull}")]
    stale = []
    answers = questions.answered or 0
    if questions.rows > answers:
        text = f"Rows of {name} that wait for an answer: {questions.rows - answers}"
        stale.append(Stale(text, f"`datahub review answer`, then {pull}"))
    if answers:
        stale.append(Stale(f"Rows of {name} answered, and not pulled yet: {answers}", pull))
    return stale


def _stale_rules(
    store: VersionStore, ref: str, local: Mapping[str, bytes], *, is_guarded: bool
) -> list[Stale]:
    stale = []
    if gates_of(local.get(GATES)) and not _are_rules_somewhere(store, local):
        stale.append(
            Stale(
                "expectations/ holds rules that no branch has",
                "`datahub gate set --reason ...` makes them the rules",
            )
        )
    verdict = verdict_at(store, ref)
    if (
        is_guarded
        and verdict is not None
        and verdict.suite_hash != suite_hash(store.objects(ref, RULES))
    ):
        stale.append(
            Stale(
                "The rules are newer than the last verdict",
                "`datahub gate run SOURCE --into BRANCH` judges by the new ones",
            )
        )
    return stale


def _are_rules_somewhere(store: VersionStore, local: Mapping[str, bytes]) -> bool:
    hashes = {path: sha256(content).hexdigest() for path, content in local.items()}
    return any(store.objects(head, RULES) == hashes for head in store.branches().values())
