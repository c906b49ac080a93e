"""Only what changed runs, and the answer is that of a full run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub import ABSTAIN, keywords
from datahub.adapters.lfs_folder.discovery import discover_lfs
from datahub.core.errors import InputError, LabelingFunctionError
from datahub.core.labeling import LFOutput, apply
from datahub.core.lf_code import LFFiles
from datahub.core.manifest import VotesManifest
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.history.status import status
from datahub.flow.label import run as lfs
from datahub.flow.label.report import LFReport, Reuse
from datahub.flow.label.views import lf_stats
from datahub.flow.rows import source
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import FoundLF, LeftOut, Rows, VersionStore

WORDS = ["free", "prize", "dinner"]
TEXTS = ["free", "a prize", "dinner, free", "boom", "boom free", ""]
PART = 4  # rows, about
PARTS = 4  # what ten keys 0..9 come to: the cuts depend on the keys alone


@dataclass
class Called:
    """An LF that is called row by row; it raises on "boom" and counts its calls."""

    name: str
    word: str
    calls: list[int] = field(default_factory=list)

    def __call__(self, x: Any) -> int:
        self.calls.append(x.id)
        if "boom" in x.text:
            raise ValueError(f"{x.id} went off")
        return 1 if self.word in x.text else ABSTAIN


@dataclass(frozen=True)
class Known:
    """An LF that was never in a file, and what is known of it."""

    found: FoundLF
    lf: Any


class Here:
    """LFWorkers without a process: LFs of this one."""

    left_out: tuple[LeftOut, ...]

    def __init__(self, lfs: Sequence[Known]) -> None:
        self.lfs = [one.found for one in lfs]
        self.left_out = ()
        self.slices: list[FoundLF] = []
        self._lfs = {one.found.name: one.lf for one in lfs}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *stopped: object) -> None:
        return None

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str] = (),
    ) -> Iterator[LFOutput]:
        for frame, asked in work:
            functions = [self._lfs[one.name] for one in asked]
            yield apply(frame, functions, key=key, cardinality=cardinality)


def found(name: str, version: int) -> Known:
    """The LF of that name in one of its versions; `whim` keeps its fingerprint as it changes."""
    word = WORDS[version]
    lf = keywords(name, [word], 0) if name.startswith("declared") else Called(name, word)
    says = name if name == "whim" else f"{name}:{version}"
    digest = sha256(says.encode()).hexdigest()
    return Known(FoundLF(name, digest, "lfs/a.py", 1, "kind", safe=name != "whim"), lf)


class Project:
    """A store with one dataset `mail` in parts of about four rows, and the steps on it."""

    def __init__(self, folder: Path) -> None:
        make = adapter("version_store", "embedded")
        self.store: VersionStore = make.create(
            ObjectFiles(folder / "store"),
            branch="main",
            author="ann",
            time=datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.rows: Rows = adapter("rows", "polars")()
        self._folder = folder

    def step(self) -> Step:
        return Step("main", "ann", datetime(2026, 1, 1, tzinfo=UTC), "step")

    def take(self, texts: dict[int, str], *, classes: Sequence[str] = ("ham", "spam")) -> None:
        path = self._folder / "mail.parquet"
        pl.DataFrame({"id": list(texts), "text": list(texts.values())}).write_parquet(path)
        source.import_rows(
            path,
            source.Import.begin(
                self.store,
                self.rows,
                self.step(),
                "mail",
                key="id",
                gold=None,
                classes=classes,
                text=None,
            ),
        )

    def run(self, known: Sequence[Known], *, share: float = 1.0) -> LFReport:
        step = self.step()
        return lfs.run_lfs(
            At.begin(self.store, self.rows, step, "mail"),
            Here(known),
            step,
            max_fault_share=share,
            files=lambda models: LFFiles({}),
            root=Path(__file__).parent,
        )

    def votes(self) -> dict[str, bytes]:
        held = self.store.objects("main", "datasets/mail/")
        return {
            path: self.store.read(oid)
            for path, oid in held.items()
            if "/votes/" in path or path.endswith("/lfs.json")
        }


@pytest.fixture(autouse=True, scope="module")
def _small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", PART)
        patch.setattr(lfs, "BATCH", 3)
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.take(dict.fromkeys(range(10), "free dinner"))
    return made


NAMES = ["called_a", "called_b", "declared_c", "declared_d", "whim"]
EDITS = st.one_of(
    st.tuples(st.just("lf"), st.sampled_from(NAMES), st.integers(0, 2)),
    st.tuples(st.just("gone"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("row"), st.integers(0, 14), st.sampled_from(TEXTS)),
    st.tuples(st.just("rows"), st.integers(1, 5), st.sampled_from(TEXTS)),
)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(EDITS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_after_any_edits_the_votes_are_those_of_a_run_from_scratch(
    rounds: list[list[tuple[str, Any, Any]]],
) -> None:
    """Votes and manifest, byte for byte: LFs edited, added, removed; rows changed, appended."""
    versions = dict.fromkeys(NAMES, 0)
    texts = {i: TEXTS[i % len(TEXTS)] for i in range(10)}
    with tempfile.TemporaryDirectory() as kept, tempfile.TemporaryDirectory() as fresh:
        ours = Project(Path(kept))
        for i, edits in enumerate([[("lf", "whim", 0)], *rounds]):
            before = dict(texts)
            for kind, what, value in edits:
                if kind == "lf":
                    versions[what] = value
                elif kind == "gone" and len(versions) > 1:
                    versions.pop(what, None)
                elif kind == "row":
                    texts[what] = value
                elif kind == "rows":
                    texts |= {max(texts) + 1 + n: value for n in range(what)}
            if i == 0 or texts != before:
                ours.take(texts)
            here = [found(name, version) for name, version in sorted(versions.items())]
            ours.run(here)
        scratch = Project(Path(fresh))
        scratch.take(texts)
        scratch.run([found(name, version) for name, version in sorted(versions.items())])

        assert ours.votes() == scratch.votes()


def test_a_second_run_calls_no_lf_and_makes_no_commit(project: Project) -> None:
    """All votes are there."""
    first = project.run([found("called_a", 0)])
    again = found("called_a", 0)

    report = project.run([again])

    assert again.lf.calls == []
    assert report.commit == first.commit
    assert report.reuse == Reuse(parts=PARTS, ran={"called_a": 0}, unsafe=())
    assert report.reuse.reused == PARTS
    assert report.table == first.table


def test_editing_one_lf_runs_that_one(project: Project) -> None:
    """The others' votes stay the same objects, and the edited one's old votes leave the head."""
    project.run([found("called_a", 0), found("called_b", 0)])
    kept = found("called_a", 0)

    report = project.run([kept, found("called_b", 1)])

    assert report.reuse is not None
    assert report.reuse.ran == {"called_a": 0, "called_b": PARTS}
    assert kept.lf.calls == []
    assert len(project.votes()) == 2 * PARTS + 1


def test_new_rows_cost_new_rows(project: Project) -> None:
    """Appended rows leave the full parts before them as they are."""
    project.run([found("called_a", 0)])
    project.take(dict.fromkeys(range(13), "free dinner"))
    lf = found("called_a", 0)

    report = project.run([lf])

    assert report.reuse is not None
    assert report.reuse.ran == {"called_a": 2}
    assert lf.lf.calls == [8, 9, 10, 11, 12]


def test_votes_of_earlier_rows_are_not_taken_for_votes_of_these(project: Project) -> None:
    """Between the import and the run, tables of votes are refused and status says why."""
    project.run([found("called_a", 0)])

    project.take(dict.fromkeys(range(13), "free dinner"))

    with pytest.raises(InputError, match="earlier rows"):
        lf_stats(At.of(project.store, project.rows, "main", "mail"), gold=False)
    stale = status(
        "main",
        store=project.store,
        rows=project.rows,
        lfs=[found("called_a", 0).found],
        failure=None,
        rules={},
        questions={},
    ).out_of_date
    assert any("earlier rows" in one.what for one in stale)


def test_an_lf_that_cannot_be_fingerprinted_is_rerun_and_named(project: Project) -> None:
    """Its fingerprint is the same, and promises nothing."""
    project.run([found("whim", 0)])
    before = project.votes()

    report = project.run([found("whim", 1)])

    assert report.reuse == Reuse(parts=PARTS, ran={"whim": PARTS}, unsafe=("whim",))
    project.run([found("whim", 0)])
    assert project.votes() == before


def test_other_classes_make_all_lfs_run(project: Project) -> None:
    """A vote that was a class may be none now: that has to show."""
    project.take(dict.fromkeys(range(10), "free dinner"), classes=("a", "b", "c"))
    two = replace(found("declared_a", 0), lf=keywords("declared_a", ["free"], 2))
    project.run([two])

    project.take(dict.fromkeys(range(10), "free dinner"), classes=("a", "b"))

    with pytest.raises(LabelingFunctionError, match="returned 2"):
        project.run([two])


def test_reused_faults_count_as_those_of_a_run(project: Project) -> None:
    """An LF over the stated share is refused, whether it ran now or earlier."""
    project.take({i: "boom" if i in (0, 9) else "free" for i in range(10)})
    first = project.run([found("called_a", 0)])

    again = project.run([found("called_a", 0), found("called_b", 0)])

    assert again.fault_counts == (2, 2)
    assert [f for f in again.faults if f.lf == "called_a"] == list(first.faults)
    with pytest.raises(LabelingFunctionError, match="'called_a' raised on 2 of 10 rows"):
        project.run([found("called_a", 0)], share=0.1)


def test_a_fault_says_where_from_the_project_on(project: Project) -> None:
    """What is committed does not differ from machine to machine."""
    project.take({0: "boom", 1: "free"})

    project.run([found("called_a", 0)])

    manifest = At.of(project.store, project.rows, "main", "mail").votes

    assert manifest is not None
    assert {fault.where.partition(":")[0] for fault in manifest.all_faults} == {Path(__file__).name}


def test_an_earlier_format_is_read_and_its_faulty_lfs_run_again(project: Project) -> None:
    """Format 1 did not say on which part an LF raised."""
    old = (
        b'{"format": 1, "cardinality": 2, "parts": ["p", "q"], '
        b'"faults": [{"lf": "b", "key": 1, "error": "E", "where": "f:1"}], "lfs": ['
        b'{"name": "a", "fingerprint": "1", "kind": "k", "file": "f", "line": 1, "faults": 0},'
        b'{"name": "b", "fingerprint": "2", "kind": "k", "file": "f", "line": 1, "faults": 7}]}'
    )

    manifest = VotesManifest.from_json(old)

    assert [(lf.faults, lf.fault_total) for lf in manifest.lfs] == [({}, 0), (None, 7)]
    assert [fault.key for fault in manifest.all_faults] == [1]
    assert VotesManifest.from_json(manifest.to_json()) == manifest
    assert At.of(project.store, project.rows, "main", "mail").votes is None


FILE = """\
from datahub import keywords
from snorkel.labeling import LabelingFunction, labeling_function
from snorkel.preprocess import preprocessor
from words import WORDS, has

LEAST = {least}
SEEN = []

declared = keywords("declared", ["{word}"], 1)

@preprocessor(memoize=True)
def shaped(x):
    x.text = x.text.{shape}()
    return x

def closed(word):
    return LabelingFunction("closed", lambda x: 1 if word in x.text else -1)

LFS = [closed("{word}")]

@labeling_function(pre=[shaped], resources={{"least": {least}}})
def long(x, least):
    return 0 if len(x.text.split()) > least else -1

@labeling_function()
def helped(x):
    return 1 if has(x.text) else -1

@labeling_function()
def counting(x):
    SEEN.append(x.text)
    return len(SEEN) % {base}
"""
SIBLING = "WORDS = ['{other}']\ndef has(text):\n    return any(w in text for w in WORDS)\n"
WRITTEN = st.fixed_dictionaries(
    {
        "word": st.sampled_from(WORDS),
        "other": st.sampled_from(WORDS),
        "shape": st.sampled_from(["strip", "upper"]),
        "least": st.integers(0, 2),
        "base": st.sampled_from([1, 2]),
    }
)


def in_files(folder: Path) -> list[Known]:
    """What the processes that run LFs find in a folder, found in this one: that costs less."""
    return [Known(one.found, one.lf) for one in discover_lfs(folder, folder / "lfs").lfs]


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(WRITTEN, st.integers(0, 5)), min_size=2, max_size=4))
def test_after_any_edits_of_files_the_votes_are_those_of_a_run_from_scratch(
    edits: list[tuple[dict[str, Any], int]],
) -> None:
    """Constants, closures, resources, preprocessors, helpers in a sibling, state: all by file."""
    texts = {i: TEXTS[i % 3] for i in range(10)}
    with tempfile.TemporaryDirectory() as kept, tempfile.TemporaryDirectory() as fresh:
        ours = Project(Path(kept))
        (Path(kept) / "lfs").mkdir()
        for written, more in edits:
            (Path(kept) / "lfs" / "a.py").write_text(FILE.format(**written))
            (Path(kept) / "lfs" / "words.py").write_text(SIBLING.format(**written))
            texts |= {max(texts) + 1 + n: TEXTS[n] for n in range(more)}
            if more or not ours.votes():
                ours.take(texts)
            report = ours.run(in_files(Path(kept)))
        scratch = Project(Path(fresh))
        scratch.take(texts)
        scratch.run(in_files(Path(kept)))

        assert ours.votes() == scratch.votes()
        assert report.reuse is not None
        assert report.reuse.unsafe == ("counting",)
