"""A revert of an import could leave a dataset whose dataset.json named parts that were gone.

What one side removed and the other changed merged path by path: dataset.json was in conflict, and
stayed, and its rows were removed without one.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.core.conflicts import Settling, Side
from datahub.core.dataset import Dataset
from datahub.core.errors import ChangedSince, DatahubError, MergeConflict
from datahub.core.layout import annotations_file, dataset_file
from datahub.flow.dataset.at import At
from datahub.flow.dataset.tables import datasets_at
from datahub.flow.history import edit, upkeep
from datahub.flow.merge.merge import merge_commits
from datahub.flow.publish.consistency import mismatches
from datahub.flow.rows import source
from datahub.flow.rows.setaside import WITH_CONSENT
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows, VersionStore
from tests.integration.conftest import Datahub, mail

TIME = datetime(2026, 1, 1, tzinfo=UTC)
BRANCHES = ("main", "side")
DATASETS = ("mail", "news")


class Repository:
    """Two datasets on two branches; each act is one commit, or nothing where it is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: Rows = adapter("rows", "polars")()
        self.store: VersionStore = adapter("version_store", "embedded").create(
            ObjectFiles(folder / "store"), branch="main", author="ann", time=TIME
        )
        self.store.create_branch("side", at="main")
        self.acts = 0

    def step(self, branch: str) -> Step:
        self.acts += 1
        return Step(branch, "ann", TIME + timedelta(seconds=self.acts), f"step{self.acts}")

    def import_rows(self, branch: str, dataset: str, first: int) -> None:
        """Rows in place of those that were there."""
        keys = range(first, first + 4)
        path = self.folder / "rows.parquet"
        self.rows.write(pl.DataFrame({"id": keys, "text": [f"t{key}" for key in keys]}), path)
        source.import_rows(
            path,
            source.Import.begin(
                self.store,
                self.rows,
                self.step(branch),
                dataset,
                key="id",
                gold=None,
                classes=["ham", "spam"],
                text=None,
                mode="replace",
            ),
        )

    def change(self, branch: str, dataset: str, path: str, content: bytes | None) -> None:
        head = self.store.commit_at(branch)
        self.store.commit(
            branch,
            {path: None if content is None else self.store.put(content)},
            message="change",
            author="ann",
            time=self.step(branch).time,
            expected=head.id,
        )

    def describe(self, branch: str, dataset: str) -> None:
        """Change dataset.json, and nothing else."""
        oid = self.store.objects(branch, dataset_file(dataset)).get(dataset_file(dataset))
        if oid is None:
            return
        known = Dataset.from_json(self.store.read(oid))
        classes = (*known.classes, f"class{self.acts}")
        renamed = type(known)(**{**vars(known), "classes": classes})
        self.change(branch, dataset, dataset_file(dataset), renamed.to_json().encode())

    def remove(self, branch: str, dataset: str) -> None:
        head = self.store.commit_at(branch)
        paths = self.store.objects(head.id, f"datasets/{dataset}/")
        self.store.commit(
            branch,
            dict.fromkeys(paths),
            message="remove",
            author="ann",
            time=self.step(branch).time,
            expected=head.id,
        )

    def merge(self, branch: str, resolution: Settling) -> None:
        other = next(name for name in BRANCHES if name != branch)
        head, second = self.store.commit_at(branch), self.store.commit_at(other)
        base = self.store.merge_base(head.id, second.id)
        step = self.step(branch)
        changes, _ = merge_commits(
            base,
            head,
            second,
            names=(other, branch),
            resolution=resolution,
            store=self.store,
            rows=self.rows,
            step=step,
        )
        self.store.commit(
            branch, changes, message="merge", author="ann", time=step.time, expected=head.id
        )

    def edit(self, verb: str, branch: str, number: int, dataset: str, resolution: Settling) -> None:
        """Revert, pick or restore from any commit of either branch."""
        commits = [commit for name in BRANCHES for commit in self.store.log(name)]
        ref = commits[number % len(commits)].id
        parts = {
            "store": self.store,
            "rows": self.rows,
            "step": self.step(branch),
            "caution": WITH_CONSENT,
        }
        if verb == "restore":
            edit.restore(dataset, ref=ref, **parts)  # type: ignore[arg-type]
        elif verb == "revert":
            edit.revert(ref, resolution=resolution, **parts)  # type: ignore[arg-type]
        else:
            edit.cherry_pick(ref, resolution=resolution, **parts)  # type: ignore[arg-type]

    def damage(self) -> list[str]:
        """Datasets at any head that name what is not there."""
        faults = [str(one) for one in upkeep.fsck(store=self.store, deep=False)]
        for branch in BRANCHES:
            for name in datasets_at(self.store, branch):
                parts = mismatches(At.of(self.store, self.rows, branch, name))
                faults += [what for what in parts if what.startswith("The rows")]
        return faults


sides = st.sampled_from(["ours", "theirs"])
acts = st.tuples(
    st.sampled_from(
        ["import", "describe", "annotate", "remove", "merge", "revert", "cherry-pick", "restore"]
    ),
    st.sampled_from(BRANCHES),
    st.sampled_from(DATASETS),
    st.integers(0, 30),
    sides,
)


def act(
    repository: Repository, verb: str, branch: str, dataset: str, number: int, side: Side
) -> None:
    resolution = Settling(side)
    if verb == "import":
        repository.import_rows(branch, dataset, number)
    elif verb == "describe":
        repository.describe(branch, dataset)
    elif verb == "annotate":
        path = annotations_file(dataset, f"pull{number}")
        repository.change(branch, dataset, path, b"")
    elif verb == "remove":
        repository.remove(branch, dataset)
    elif verb == "merge":
        repository.merge(branch, resolution)
    else:
        repository.edit(verb, branch, number, dataset, resolution)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(acts, min_size=3, max_size=10))
def test_no_sequence_of_merges_and_edits_leaves_a_dataset_in_parts(
    sequence: list[tuple[str, str, str, int, Side]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        repository.import_rows("main", "mail", 0)
        for one in sequence:
            with suppress(DatahubError):
                act(repository, *one)
                assert repository.damage() == [], one


@pytest.mark.parametrize(("side", "stays"), [("ours", True), ("theirs", False)])
def test_an_import_whose_dataset_was_changed_since_is_reverted_whole(
    tmp_path: Path, side: Side, stays: bool
) -> None:
    repository = Repository(tmp_path)
    repository.import_rows("main", "mail", 0)
    first = repository.store.commit_at("main").id
    repository.describe("main", "mail")
    parts = {"store": repository.store, "rows": repository.rows, "caution": WITH_CONSENT}

    with pytest.raises(ChangedSince) as refused:
        edit.revert(first, step=repository.step("main"), **parts)  # type: ignore[arg-type]

    [conflict] = refused.value.conflicts
    assert conflict.place == ("mail", "dataset", None, None)
    assert conflict.kind == "theirs removed"
    with suppress(DatahubError):  # ours: there is nothing to commit
        edit.revert(
            first,
            step=repository.step("main"),
            resolution=Settling(side),
            **parts,  # type: ignore[arg-type]
        )
    assert repository.damage() == []
    assert (datasets_at(repository.store, "main") == ["mail"]) is stays


def test_a_removed_dataset_that_the_other_side_changed_is_one_conflict(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.import_rows("main", "mail", 0)
    repository.store.delete_branch("side")
    repository.store.create_branch("side", at="main")
    repository.remove("side", "mail")
    repository.import_rows("main", "mail", 2)

    with pytest.raises(MergeConflict) as refused:
        repository.merge("main", Settling())

    [conflict] = refused.value.conflicts
    assert (conflict.dataset, conflict.kind) == ("mail", "theirs removed")


def test_the_command_line_lists_it_and_takes_a_decision(datahub: Datahub, project: Path) -> None:
    first = datahub("log", "--json").json[0]["id"]
    mail().head(3).write_parquet(project / "few.parquet")
    assert datahub("import", "few.parquet", "--key", "id", "--gold", "kind").code == 0

    refused = datahub("revert", first, "--conflicts", "list.csv")

    assert refused.code == 3
    assert "mail dataset: theirs removed" in refused.err
    lines = pl.read_csv(project / "list.csv", infer_schema=False)
    assert lines.height == 1
    lines.with_columns(take=pl.lit("theirs")).write_csv(project / "list.csv")
    assert datahub("revert", first, "--decisions", "list.csv").code == 0
    assert datahub("fsck").code == 0
    objects = datahub("show", "main", "--json").json["objects"]
    assert not any(path.startswith("datasets/") for path in objects)
