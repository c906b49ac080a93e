"""Attempts on a lakeFS server: our store beside lakeFS's own client, as anybody has it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import lakefs_sdk

from bench.soak.outcome import Outcome
from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.adapters.versions_lakefs.history import as_metadata, exact
from datahub.core.errors import DatahubError
from datahub.flow.history import upkeep
from datahub.flow.publish import audit
from datahub.flow.steps import quiet
from datahub.hub.registry import adapter
from tests import lakefs_server
from tests.integration import lakes
from tests.integration.lakes import Lake
from tests.lakefs_server import LakeFSServer

GATES = b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "s.json"\n'
missing = lakefs_server.missing
server = lakefs_server.running


def attempt(
    found: LakeFSServer, folder: Path, chance: random.Random, outcome: Outcome
) -> tuple[list[str], list[str], list[str]]:
    """What was done, what of it was hostile and took effect, and what was said of it."""
    outcome.tried["on lakeFS"] += 1
    lake = Lake(found, folder)
    try:
        lake.commit("main", {"expectations/gates.toml": GATES, "expectations/s.json": b"{}"})
        _work(lake, chance)
        pin = lake.store.branches()["main"]
        done, hostile = list[str](), list[str]()
        names = ["work", *chance.sample(list(ATTACKS), chance.choice([0, 1, 1, 2]))]
        chance.shuffle(names)
        for name in names:
            try:
                (ATTACKS.get(name) or _work)(lake, chance)
            except (DatahubError, lakefs_sdk.ApiException) as error:
                done.append(f"{name} (stopped: {type(error).__name__})")
                continue
            done.append(name)
            hostile += [name] if name in ATTACKS else []
        return done, hostile, _said(lake, pin, found, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _said(lake: Lake, pin: str, found: LakeFSServer, folder: Path) -> list[str]:
    """By a store that has seen nothing yet, but for where main stood."""
    store = LakeFSVersionStore.at(**lake.access)
    rows = adapter("rows", "polars")()
    said = []
    asked: dict[str, Callable[[], bool]] = {
        "audit": lambda: _audit(store, rows, None),
        "audit --since": lambda: _audit(store, rows, pin),
        "fsck": lambda: not upkeep.fsck(store=store, deep=True),
    }
    for name, clean in asked.items():
        try:
            said += [] if clean() else [name]
        except DatahubError as error:
            said.append(f"{name}: {error.code}")
    return said


def _audit(store: LakeFSVersionStore, rows: object, since: str | None) -> bool:
    found = audit.audit(
        "main",
        store=store,
        rows=rows,  # type: ignore[arg-type]
        secrets={},
        progress=quiet,
        since=since,
    )
    return found.clean


def _work(lake: Lake, chance: random.Random) -> None:
    name = f"work-{chance.randrange(10**9)}"
    lake.store.create_branch(name, at="main")
    lake.commit(name, {"notes.txt": chance.randbytes(4)})
    lakes.merge(lake.store, name)
    lake.store.delete_branch(name)


def _direct(lake: Lake, chance: random.Random) -> None:
    """A commit with the protection lifted and the action file gone."""
    _open(lake)
    lake.foreign("main", "slipped.txt", chance.randbytes(4))


def _open(lake: Lake) -> None:
    """The protection lifted, and the action file gone: by an administrator."""
    lake.unprotect()
    lake.delete("main", lakes.ACTION)


def _without_hook(lake: Lake, chance: random.Random) -> None:
    """A branch that deletes the action file, merged with lakeFS's own client."""
    name = f"s{chance.randrange(10**9)}"
    lake.store.create_branch(name, at="main")
    lake.upload(name, "slipped.txt", chance.randbytes(4))
    lake.delete(name, lakes.ACTION)
    lake.merge(name)


def _plain_merge(lake: Lake, chance: random.Random) -> None:
    name = f"p{chance.randrange(10**9)}"
    lake.store.create_branch(name, at="main")
    lake.commit(name, {"slipped.txt": chance.randbytes(4)})
    lake.merge(name)


def _reset(lake: Lake, chance: random.Random) -> None:
    """Main back where it stood before its last merge."""
    back = lake.store.commit_at("main~1").id
    lake.unprotect()
    lake.client.experimental_api.hard_reset_branch(lake.name, "main", back)


def _recut(lake: Lake, chance: random.Random) -> None:
    """Main deleted and created again, from before its gate or from a commit of its own."""
    line = lake.store.log("main")
    at = chance.choice(line[1:]).id
    lake.unprotect()
    lake.client.repositories_api.get_repository(lake.name)
    lake.client.branches_api.delete_branch(lake.name, "main")
    creation = lakefs_sdk.BranchCreation(name="main", source=at)
    lake.client.branches_api.create_branch(lake.name, creation)


def _named_like_an_id(lake: Lake, chance: random.Random) -> None:
    line = lake.store.log("main")
    name, at = line[0].id[: chance.choice([8, 12, 64])], line[-1].id
    if chance.random() < 0.5:
        lake.client.tags_api.create_tag(lake.name, lakefs_sdk.TagCreation(id=name, ref=at))
    else:
        creation = lakefs_sdk.BranchCreation(name=name, source=at)
        lake.client.branches_api.create_branch(lake.name, creation)


def _reverted(lake: Lake, chance: random.Random) -> None:
    _open(lake)
    lake.revert(lake.store.branches()["main"])


def _forged_line(lake: Lake, chance: random.Random) -> None:
    """A commit that says of itself to be the first, or to stand on an older one."""
    _open(lake)
    head = lake.foreign("main", "slipped.txt", chance.randbytes(4))
    earlier = chance.choice(lake.store.log("main")[1:]).id
    told = exact(
        on=head,
        parents=chance.choice([[], [earlier]]),
        message="Begin the repository",
        author="ann",
        time=lakes.TIME,
        metadata={},
    )
    lake.upload("main", "notes.txt", chance.randbytes(4))
    creation = lakefs_sdk.CommitCreation(message="Begin", metadata=as_metadata(told))
    lake.client.commits_api.commit(lake.name, "main", creation)


def _annotations(lake: Lake, chance: random.Random) -> None:
    """Lines put into the log with lakeFS's own client, and merged by a passing verdict."""
    name = f"hand-{chance.randrange(10**9)}"
    lake.store.create_branch(name, at="main")
    lake.foreign(name, f"datasets/news/annotations/{name}.jsonl", b'{"id": "1"}\n')
    lakes.merge(lake.store, name)


ATTACKS: dict[str, Callable[[Lake, random.Random], None]] = {
    "a direct commit": _direct,
    "a merge without the hook": _without_hook,
    "a merge without a verdict": _plain_merge,
    "main reset": _reset,
    "main created again": _recut,
    "a name like an id": _named_like_an_id,
    "a revert": _reverted,
    "annotations by hand": _annotations,
    "a forged line": _forged_line,
}
