"""Answers against columns that come, go and change: what was seen decides, and losses are told."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.core.conflicts import Settling
from datahub.core.dataset import content_hash
from datahub.core.errors import AnswersSetAside, InputError, NothingToCommit
from datahub.core.layout import annotations_file, review_file
from datahub.core.relabel import Annotation, answers_by_row
from datahub.core.setaside import Consent, SetAside
from datahub.core.shown import columns_of
from datahub.core.triage import Batch, Task
from datahub.core.versions import Changes, Commit
from datahub.flow.dataset import parts
from datahub.flow.dataset.annotations import hashes_of
from datahub.flow.dataset.at import At
from datahub.flow.history.edit import restore
from datahub.flow.merge.merge import merge_commits
from datahub.flow.rows.setaside import Caution
from datahub.flow.rows.source import Import, import_rows
from datahub.flow.steps import Step, begin, end
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c")
VALUES: tuple[tuple[object, ...], ...] = (("x", "y", None), (1, 2, None), ("1", "2", None))
State = dict[int, dict[str, object]]  # rows by key, without the key


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Parts of two rows, so that some stay where others change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 2)
        yield


@dataclass
class Walk:
    """A dataset, what people saw of it, and chance."""

    folder: Path
    store: VersionStore
    rows: Rows
    chance: random.Random
    branch: str = "main"
    steps: int = 0
    saw: dict[str, tuple[int, dict[str, object]]] = field(default_factory=dict)
    earlier: list[str] = field(default_factory=list)  # commits

    def step(self) -> Step:
        self.steps += 1
        return Step(self.branch, "ann", TIME, f"step{self.steps:03d}")

    def now(self, ref: str = "") -> State:
        """The rows as they are."""
        table = read_table(
            self.store, self.rows, ref or self.branch, "mail", "rows", made_by="import"
        )
        return {row.pop("id"): row for row in table.iter_rows(named=True)}

    def matching(self, ref: str = "") -> set[str]:
        """The reference: answers in the log that saw just the values that are there."""
        rows = self.now(ref)
        there = {entry.id for entry in At.of(self.store, self.rows, ref or self.branch, "mail").log}
        return {
            name
            for name, (key, saw) in self.saw.items()
            if name in there
            and key in rows
            and all(
                column in rows[key] and _same(rows[key][column], value)
                for column, value in saw.items()
            )
        }

    def counting(self) -> set[str]:
        """What datahub says."""
        at = At.of(self.store, self.rows, self.branch, "mail")
        found = answers_by_row(at.log, hashes_of(at, at.log), classes=at.dataset.classes)
        return {entry.id for entries in found.values() for entry in entries}

    def answer(self, *, as_before: bool) -> None:
        """Two people answer about rows as they are; `as_before`: lines that name no columns."""
        step, rows = self.step(), self.now()
        lines, tasks = [], []
        for number in range(2):
            key = self.chance.choice(sorted(rows))
            content = {"id": key, **rows[key]}
            name = f"{step.id}-{number}"
            label = "ham" if key % 2 else "spam"
            columns = None if as_before else columns_of(content)
            made = content_hash(content)
            lines.append(
                Annotation(name, key, made, label, name, step.id, step.id, columns=columns)
            )
            shown = {column: str(value) for column, value in content.items()}
            tasks.append(Task(key, made, shown, "", "doubt", None, None))
            self.saw[name] = key, dict(rows[key])
        batch = Batch(step.id, "embedded", tuple(tasks))
        log = "".join(line.to_json() + "\n" for line in lines)
        changes = {
            review_file("mail", step.id): self.store.put(batch.to_json().encode()),
            annotations_file("mail", step.id): self.store.put(log.encode()),
        }
        end(self.store, step, begin(self.store, step), changes, message="Answer")

    def take(self, rows: State, consent: Consent, *, mode: Any = "replace") -> None:
        """Import these rows, in some order of rows and of columns."""
        keys, names = list(rows), list(next(iter(rows.values())))
        self.chance.shuffle(keys)
        self.chance.shuffle(names)
        frame = pl.DataFrame(
            {"id": keys, **{name: [rows[key][name] for key in keys] for name in names}}
        )
        path = self.folder / "came.parquet"
        frame.write_parquet(path)
        import_rows(
            path,
            Import.begin(
                self.store,
                self.rows,
                self.step(),
                "mail",
                key="id",
                gold=None,
                classes=("ham", "spam"),
                text=None,
                mode=mode,
                caution=Caution(consent),
            ),
        )

    def merge(self, source: str, consent: Consent) -> None:
        """Merge a branch; where both changed one thing, the branch's."""
        ours, theirs = (self.store.commit_at(ref) for ref in (self.branch, source))
        base = self.store.merge_base(ours.id, theirs.id)
        step = self.step()
        changes, _ = merge_commits(
            base,
            ours,
            theirs,
            names=(source, self.branch),
            resolution=Settling(side="theirs"),
            store=self.store,
            rows=self.rows,
            step=step,
        )
        self.checked(ours, changes, [theirs], consent)
        end(self.store, step, ours, changes, message="Merge")

    def checked(
        self, head: Commit, changes: Changes, others: list[Commit], consent: Consent
    ) -> None:
        Caution(consent).check(
            self.store, self.rows, head, changes, branch=self.branch, sources=others
        )

    def carefully(self, act: Any, *, before: set[str]) -> None:
        """Do it without consent, then with; what was told is what came to count no more."""
        head = self.store.commit_at(self.branch)
        told: list[SetAside] = []
        try:
            act(False)
        except AnswersSetAside as error:
            assert self.store.commit_at(self.branch) == head
            told = list(error.losses)
            act(True)
        lost = before - self.counting()

        assert sum(one.answers for one in told) == len(lost)
        assert {name for one in told for name in one.people} == lost
        assert sum(one.rows for one in told) == len({self.saw[name][0] for name in lost})


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _column(chance: random.Random, rows: State) -> list[object]:
    values = chance.choice(VALUES)
    found = [chance.choice(values) for _ in rows]
    return found if any(value is not None for value in found) else [values[0] for _ in rows]


def _changed(walk: Walk, act: str) -> State:
    """The rows after an act, which may come to nothing."""
    chance, rows = walk.chance, {key: dict(row) for key, row in walk.now().items()}
    names = list(next(iter(rows.values())))
    absent = [name for name in NAMES if name not in names]
    if act == "add column" and absent:
        name = chance.choice(absent)
        for row, value in zip(rows.values(), _column(chance, rows), strict=True):
            row[name] = value
    elif act == "drop column" and len(names) > 1:
        name = chance.choice(names)
        for row in rows.values():
            del row[name]
    elif act == "rename column" and absent:
        old, new = chance.choice(names), chance.choice(absent)
        rows = {k: {new if n == old else n: v for n, v in row.items()} for k, row in rows.items()}
    elif act == "change value":
        row, name = chance.choice(list(rows.values())), chance.choice(names)
        row[name] = chance.choice([other[name] for other in rows.values()])
    elif act == "remove row" and len(rows) > 1:
        del rows[chance.choice(list(rows))]
    return rows


ACTS = ("add column", "drop column", "rename column", "change value", "remove row", "none")
MOVES = st.sampled_from(
    ["answer", "answer as before", "restore", "restore rows", "merge", *ACTS, *ACTS[:2]]
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    moves=st.lists(MOVES, min_size=3, max_size=9), seed=st.integers(0, 2**32), upsert=st.booleans()
)
def test_an_answer_counts_while_what_was_seen_is_there_and_its_loss_is_told(
    moves: list[str], seed: int, upsert: bool
) -> None:
    """Whatever happens to rows and columns: to the letter what a plain reference says."""
    with tempfile.TemporaryDirectory() as folder:
        store = adapter("version_store", "embedded").create(
            ObjectFiles(Path(folder) / "store"), branch="main", author="ann", time=TIME
        )
        walk = Walk(Path(folder), store, adapter("rows", "polars")(), random.Random(seed))
        walk.take({key: {"a": f"row {key}"} for key in range(6)}, True)
        walk.answer(as_before=False)
        for move in moves:
            walk.earlier.append(store.commit_at("main").id)
            _move(walk, move, upsert=upsert)

            assert walk.counting() == walk.matching()


def _move(walk: Walk, move: str, *, upsert: bool) -> None:
    before = walk.counting()
    if move.startswith("answer"):
        walk.answer(as_before=move != "answer")
    elif move == "restore":
        ref = walk.chance.choice(walk.earlier)
        walk.carefully(lambda consent: _restored(walk, ref, consent), before=before)
    elif move == "restore rows":
        rows = walk.now(walk.chance.choice(walk.earlier))
        if _types_stay(walk.now(), rows):
            walk.carefully(lambda consent: walk.take(rows, consent), before=before)
    elif move == "merge":
        _merge(walk)
    else:
        rows = _changed(walk, move)
        mode = "upsert" if upsert and move in ("add column", "change value", "none") else "replace"
        walk.carefully(lambda consent: walk.take(rows, consent, mode=mode), before=before)


def _restored(walk: Walk, ref: str, consent: Consent) -> None:
    try:
        restore(
            "mail",
            ref=ref,
            store=walk.store,
            rows=walk.rows,
            step=walk.step(),
            caution=Caution(consent),
        )
    except NothingToCommit:
        return


def _merge(walk: Walk) -> None:
    """A branch changes and answers, main does too, and the branch is merged."""
    name = f"work{walk.steps}"
    base = walk.store.commit_at("main").id
    walk.store.create_branch(name, at=base)
    for branch in (name, "main"):
        walk.branch = branch
        if walk.chance.random() < 0.7:
            walk.take(_changed(walk, walk.chance.choice(ACTS)), True)
        if walk.chance.random() < 0.2:
            _restored(walk, walk.chance.choice(walk.earlier), True)
        if walk.chance.random() < 0.7:
            walk.answer(as_before=walk.chance.random() < 0.3)
    had = {
        entry.id
        for ref in ("main", base)
        for entry in At.of(walk.store, walk.rows, ref, "mail").log
    }
    before = walk.counting() | (walk.matching(name) - had)
    with suppress(InputError):  # columns of two types, and a value that is of one alone
        walk.carefully(lambda consent: walk.merge(name, consent), before=before)


def _types_stay(now: State, then: State) -> bool:
    """Whether each column of both has values of one type: an import refuses another."""
    kinds: list[dict[str, set[type]]] = []
    for rows in (now, then):
        kinds.append({})
        for row in rows.values():
            for name, value in row.items():
                kinds[-1].setdefault(name, set()).update({type(value)} - {type(None)})
    return all(kinds[0][name] == kinds[1][name] for name in kinds[0].keys() & kinds[1].keys())
