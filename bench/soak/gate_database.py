"""Attacks on a guarded main by edits of its database and of the bytes of objects."""

from __future__ import annotations

import random
from dataclasses import replace

from bench.soak.gate_project import Act, any_of
from datahub import Hub
from datahub.adapters.versions_embedded import EmbeddedVersionStore, commits, trees
from datahub.adapters.versions_embedded.graph import Graph
from datahub.core.layout import VERDICT
from datahub.core.verdict import Verdict
from datahub.machine.bytes.files import ObjectFiles
from tests.tampering import edit, hide, slip


def _head_moved(hub: Hub, chance: random.Random) -> None:
    """Back to an earlier commit of its own, or to one of another branch."""
    line = hub.log("main")
    target = any_of(chance, line[1:]).id
    edit(hub.settings.own_folder, "UPDATE branch SET head = ? WHERE name = 'main'", target)
    if chance.random() < 0.5:
        edit(hub.settings.own_folder, "DELETE FROM stood")


def _written(hub: Hub, chance: random.Random) -> None:
    """A commit below every door, with what it needs to look like a merge."""
    store = EmbeddedVersionStore(ObjectFiles(hub.settings.own_folder))
    head = store.commit_at("main")
    changes = {"slipped.txt": store.put(chance.randbytes(4))}
    if chance.random() < 0.6:  # with the verdict of another merge, put right as far as it goes
        old = Verdict.from_json(store.read(store.objects("main", VERDICT)[VERDICT]))
        forged = replace(old, judged_head=head.id, reason=str(chance.random()))
        changes[VERDICT] = store.put(forged.to_json().encode())
    if chance.random() < 0.3:
        changes["expectations/rows.json"] = store.put(b"{}")
    parents = chance.choice(
        [(head.id,), (head.id, store.branches()["work"]), (head.parents[0], head.id)]
    )
    slip(
        hub.settings.own_folder,
        head,
        changes,
        parents=parents,
        metadata={"verdict": "passed", "kind": "data"},
        noted=chance.random() < 0.5,
    )


def _beside_the_verdict(hub: Hub, chance: random.Random) -> None:
    """Data in the tree of datahub's own objects, to which no content id reaches."""
    store = EmbeddedVersionStore(ObjectFiles(hub.settings.own_folder))
    head = store.commit_at("main")
    oid = store.put(chance.randbytes(4))
    hide(hub.settings.own_folder, head, "slipped.txt", oid)


def _shadowed(hub: Hub, chance: random.Random) -> None:
    line = hub.log("main")
    name = chance.choice([chance.choice(line).id, chance.choice(line).id[:9], "HEAD", "main "])
    table = chance.choice(["branch", "tag"])
    edit(hub.settings.own_folder, f"INSERT INTO {table} VALUES (?, ?)", name, line[-1].id)


def _generation(hub: Hub, chance: random.Random) -> None:
    commit = chance.choice(hub.log("main")).id
    number = chance.choice([0, -5, 500])
    edit(hub.settings.own_folder, 'UPDATE "commit" SET generation = ? WHERE id = ?', number, commit)


def _row_of_history(hub: Hub, chance: random.Random) -> None:
    """A commit or a node changed or removed."""
    if chance.random() < 0.5:
        commit = chance.choice(hub.log("main")).id
        edit(
            hub.settings.own_folder,
            'UPDATE "commit" SET body = body || ? WHERE id = ?',
            b"x",
            commit,
        )
        return
    with Graph(hub.settings.own_folder / "versions.db").reading() as graph:
        root = trees.roots(graph, commits.tree(graph, hub.store.branches()["main"])).content
    if chance.random() < 0.5:
        edit(hub.settings.own_folder, "DELETE FROM node WHERE id = ?", root)
    else:
        edit(hub.settings.own_folder, "UPDATE node SET body = body || ? WHERE id = ?", b"x", root)


def _object(hub: Hub, chance: random.Random) -> None:
    """The bytes of a file of main, changed where they lie.

    None of the rules: a change of rules stores them again, and so restores them.
    """
    held = hub.store.objects("main").items()
    oid = chance.choice([oid for path, oid in held if not path.startswith("expectations/")])
    file = hub.store.fetch(oid)
    file.chmod(0o644)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"x")
    file.chmod(0o444)


EDITS: dict[str, Act] = {
    "main moved in the database": _head_moved,
    "a commit in the database": _written,
    "data beside the verdict": _beside_the_verdict,
    "a shadow in the database": _shadowed,
    "a generation": _generation,
    "a row of history": _row_of_history,
    "an object's bytes": _object,
}
