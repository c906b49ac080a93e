"""On lakeFS, a name like an id and a commit that lies about its parents led the audit astray."""

from __future__ import annotations

from pathlib import Path

import lakefs_sdk
import pytest

from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.adapters.versions_lakefs.history import as_metadata, exact
from datahub.core.errors import RefNotFound
from datahub.flow.history.upkeep import fsck
from datahub.flow.publish.audit import Audit, audit
from datahub.flow.steps import quiet
from datahub.hub.registry import adapter
from tests.integration.lakes import ACTION, TIME, Lake, merge
from tests.lakefs_server import LakeFSServer

GATES = b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "s.json"\n'


@pytest.fixture
def lake(lakefs: LakeFSServer, tmp_path: Path) -> Lake:
    """A repository whose main is guarded, with one merge that its gate let in."""
    lake = Lake(lakefs, tmp_path)
    lake.commit("main", {"expectations/gates.toml": GATES, "expectations/s.json": b"{}"})
    work(lake, "work")
    return lake


def work(lake: Lake, name: str) -> None:
    lake.store.create_branch(name, at="main")
    lake.commit(name, {"notes.txt": name.encode()})
    merge(lake.store, name)


def audited(lake: Lake, since: str | None = None) -> Audit:
    """By a store that has asked the server nothing yet."""
    store = LakeFSVersionStore.at(**lake.access)
    rows = adapter("rows", "polars")()
    return audit("main", store=store, rows=rows, secrets={}, progress=quiet, since=since)


def test_a_tag_like_the_start_of_an_id_is_not_followed(lake: Lake) -> None:
    """LakeFS itself follows it; fsck names it."""
    line = lake.store.log("main")
    name = line[0].id[:10]
    lake.client.tags_api.create_tag(lake.name, lakefs_sdk.TagCreation(id=name, ref=line[-1].id))
    store = LakeFSVersionStore.at(**lake.access)

    with pytest.raises(RefNotFound) as raised:
        store.commit_at(name)

    assert "fsck" in str(raised.value.hint)
    assert store.commit_at(line[0].id).id == line[0].id
    assert [one.id for one in fsck(store=store, deep=False) if one.kind == "ref"] == [name]


def test_a_tag_like_a_whole_id_is_no_commit(lake: Lake) -> None:
    tag = lakefs_sdk.TagCreation(id="0" * 64, ref=lake.store.branches()["main"])
    lake.client.tags_api.create_tag(lake.name, tag)

    with pytest.raises(RefNotFound):
        LakeFSVersionStore.at(**lake.access).commit_at("0" * 64)


@pytest.mark.parametrize("first", [True, False])
def test_a_commit_that_lies_about_its_parents_hides_nothing(lake: Lake, first: bool) -> None:
    """By the metadata that is ours, it stands on nothing, or on an older commit."""
    older = lake.store.branches()["main"]
    lake.unprotect()
    lake.delete("main", ACTION)
    slipped = lake.foreign("main", "slipped.txt", b"in")
    told = exact(
        on=slipped,
        parents=[] if first else [older],
        message="Begin the repository",
        author="ann",
        time=TIME,
        metadata={},
    )
    lake.upload("main", "notes.txt", b"again")
    creation = lakefs_sdk.CommitCreation(message="Begin", metadata=as_metadata(told))
    lake.client.commits_api.commit(lake.name, "main", creation)

    found = audited(lake)

    assert not found.clean
    assert slipped in [one.commit for one in found.unjudged]


def test_a_branch_that_was_reset_is_told_by_the_pin_and_by_who_wrote_to_it(lake: Lake) -> None:
    work(lake, "more")
    stood = lake.store.branches()["main"]
    back = lake.store.commit_at("main~1").id
    lake.unprotect()
    lake.client.experimental_api.hard_reset_branch(lake.name, "main", back)

    assert audited(lake).moved == (stood,)
    assert audited(lake, back).clean is False
    assert "moved off it" in audited(lake, stood).since_fault
