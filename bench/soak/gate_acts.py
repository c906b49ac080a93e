"""What people and attackers do to a project with a guarded main, on the embedded store."""

from __future__ import annotations

import datetime as dt
import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from dulwich.objects import ObjectID

from datahub import Hub
from datahub.adapters.versions_embedded import EmbeddedVersionStore, commits, trees
from datahub.adapters.versions_embedded.graph import Graph
from datahub.core import objecttree
from datahub.core.errors import NotFound
from datahub.core.layout import VERDICT, annotations_file, table_prefix
from datahub.core.signing import key_id
from datahub.core.verdict import Verdict
from datahub.core.versions import suite_hash
from datahub.machine.bytes.files import ObjectFiles

Act = Callable[[Hub, random.Random], None]
TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
DATASET = "mail"
LFS = (
    "from datahub import keywords\n"
    'offer = keywords("offer", ["prize", "free"], 1)\n'
    'thanks = keywords("thanks", ["thanks", "dinner"], 0)\n'
)
SUITE = {
    "name": "rows",
    "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}],
}
GATE = '[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "{}"\nsuite = "rows.json"\n'


def opened(project: Path, secret: str) -> Hub:
    """The project, for whoever has the secret."""
    return Hub.open(project, verdict_secret=secret, author="ann", end_model="none")


def make(project: Path, *, secret: str) -> None:
    """A project with votes, labels and answers of people, its main guarded and signed for."""
    project.mkdir()
    hub, _ = Hub.init(project, dataset=DATASET)
    words = ["free prize {}", "thanks for dinner {}", "neither {}"]
    texts = [words[i % 3].format(i) for i in range(30)]
    kinds = [("spam", "ham", "ham")[i % 3] for i in range(30)]
    pl.DataFrame({"id": range(30), "text": texts, "kind": kinds}).write_parquet(
        project / "mail.parquet"
    )
    (project / "labeling_functions" / "first.py").write_text(LFS)
    hub.import_rows(str(project / "mail.parquet"), key="id", gold="kind")
    (project / "expectations" / "rows.json").write_text(json.dumps(SUITE))
    _rules(project, f'signed_by = "{key_id(secret)}"\n\n')
    opened(project, secret).gate_set(reason="begin")
    hub = opened(project, secret)
    hub.switch("work", create=True)
    hub.lf_run()
    hub.label_fit()
    _review(hub, random.Random(0))
    opened(project, secret).merge("work", into="main")


def _rules(project: Path, signed_by: str = "", *, text: str | None = None) -> None:
    rules = signed_by + GATE.format("rows") if text is None else text
    (project / "expectations" / "gates.toml").write_text(rules)


def _hub_on(hub: Hub, branch: str) -> Hub:
    secret = hub.settings.verdict_secret
    return Hub.open(
        hub.settings.root, branch=branch, verdict_secret=secret, author="ann", end_model="none"
    )


def _fresh(hub: Hub, chance: random.Random, at: str = "main") -> str:
    name = f"work-{chance.randrange(10**9)}"
    hub.create_branch(name, at=at)
    return name


def _one(chance: random.Random, things: Iterable[Any]) -> Any:
    """Any of them. Raises NotFound where there is none to act on."""
    found = list(things)
    if not found:
        raise NotFound("There is nothing to act on.", hint="Take another act.")
    return chance.choice(found)


# Work.


def _change(hub: Hub, chance: random.Random) -> None:
    """A file changed on a branch, and merged through the gate; squashed now and then."""
    name = _fresh(hub, chance)
    note = hub.settings.root / "notes.txt"
    note.write_text(f"note {chance.random()}")
    _hub_on(hub, name).commit(["notes.txt"], message="note", start=hub.settings.root)
    hub.merge(name, into="main", squash=chance.random() < 0.3)


def _rows(hub: Hub, chance: random.Random) -> None:
    """Rows appended on a branch, and merged: labels are kept."""
    name = _fresh(hub, chance)
    first = 1000 + chance.randrange(10**6)
    few = pl.DataFrame({"id": [first], "text": ["free prize"], "kind": ["spam"]})
    few.write_parquet(hub.settings.root / "few.parquet")
    path = str(hub.settings.root / "few.parquet")
    _hub_on(hub, name).import_rows(path, key="id", gold="kind", mode="append")
    hub.merge(name, into="main")


def _review(hub: Hub, chance: random.Random) -> None:
    """People answer on the branch work."""
    work = _hub_on(hub, "work")
    work.review_push(budget=3)
    tasks = work.review_open(annotator="bob")
    work.review_answer(
        [(task, chance.choice(["spam", "ham", None])) for task, _ in tasks], annotator="bob"
    )
    work.review_pull()


def _reviewed(hub: Hub, chance: random.Random) -> None:
    hub.merge("main", into="work")
    _hub_on(hub, "work").label_fit()
    _review(hub, chance)
    hub.merge("work", into="main")


def _reverted(hub: Hub, chance: random.Random) -> None:
    """A pull taken back on a branch, and merged."""
    name = _fresh(hub, chance)
    pulls = [c for c in hub.log("main") if c.metadata.get("step") == "review pull"]
    _hub_on(hub, name).revert(_one(chance, pulls).id)
    hub.merge(name, into="main")


def _rules_changed(hub: Hub, chance: random.Random) -> None:
    suite = {**SUITE, "name": f"rows {chance.random()}"}
    (hub.settings.root / "expectations" / "rows.json").write_text(json.dumps(suite))
    hub.gate_set(reason="another name")


def _tagged(hub: Hub, chance: random.Random) -> None:
    hub.create_tag(f"v{chance.randrange(10**6)}", at="main")


WORK: dict[str, Act] = {
    "a change": _change,
    "rows appended": _rows,
    "answers pulled": _reviewed,
    "a pull reverted": _reverted,
    "rules changed": _rules_changed,
    "a tag": _tagged,
}


# Attacks by commands and calls.


def _direct(hub: Hub, chance: random.Random) -> None:
    _by_hand(hub, "main", {"slipped.txt": b"in"}, {})


def _by_hand(
    hub: Hub, branch: str, files: Mapping[str, bytes], metadata: Mapping[str, str]
) -> None:
    store = hub.store
    store.commit(
        branch,
        {path: store.put_bytes(content) for path, content in files.items()},
        message="by hand",
        author="mallory",
        time=TIME,
        expected=store.branches()[branch],
        metadata=metadata,
    )


def _unguard(hub: Hub, chance: random.Random) -> None:
    """The gate off, perhaps a commit, the gate on."""
    gates = hub.settings.root / "expectations" / "gates.toml"
    kept = gates.read_text()
    gates.write_text("")
    hub.gate_set(reason="a moment", unguard=True)
    if chance.random() < 0.7:
        _direct(_hub_on(hub, "main"), chance)
    if chance.random() < 0.7:
        gates.write_text(kept)
        _hub_on(hub, "main").gate_set(reason="again")


def _recut(hub: Hub, chance: random.Random) -> None:
    """The gate off, the branch created again from before it, the gate on."""
    gates = hub.settings.root / "expectations" / "gates.toml"
    kept = gates.read_text()
    line = hub.log("main")
    gates.write_text("")
    hub.gate_set(reason="a moment", unguard=True)
    hub.project.switch("work")
    hub.delete_branch("main", force=True)
    hub.create_branch("main", at=line[-1].id)
    gates.write_text(kept)
    _hub_on(hub, "main").gate_set(reason="again")


def _forged_verdict(hub: Hub, chance: random.Random) -> None:
    """A merge that lands with a verdict written by hand: everything in it is true, but judged."""
    name = _fresh(hub, chance)
    _by_hand(hub, name, {"slipped.txt": chance.randbytes(4)}, {})
    store, head = hub.store, hub.store.branches()["main"]
    changes = {c.path: c.new for c in store.changes(head, name)}
    candidate = store.propose(
        name,
        into="main",
        changes=changes,
        message="Merge",
        author="mallory",
        time=TIME,
        expected=head,
    )
    signed_by = next(iter(hub.verdict_secrets))
    verdict = Verdict(
        passed=True,
        content_id=candidate.content_id,
        source=candidate.source,
        judged_head=head,
        suite_hash=suite_hash(store.objects(head, "expectations/")),
        time=TIME,
        signature=chance.choice(["", f"{signed_by}:{'0' * 64}", f"{'0' * 16}:{'0' * 64}"]),
    )
    store.land(candidate, verdict)


def _named_like_an_id(hub: Hub, chance: random.Random) -> None:
    line = hub.log("main")
    name = line[0].id[: chance.choice([8, 12, 64])]
    make = chance.choice([hub.create_tag, hub.create_branch])
    make(name, at=line[-1].id)


def _annotations(hub: Hub, chance: random.Random) -> None:
    """Answers that nobody gave, by the store's own call, merged through a gate of rows."""
    name = _fresh(hub, chance)
    entry = {
        "id": f"x{chance.random()}",
        "key": chance.randrange(30),
        "row_hash": "0" * 64,
        "label": "spam",
        "annotator": "mallory",
        "time": "2026-01-02T00:00:00+00:00",
        "batch": "none",
    }
    told: Mapping[str, str] = chance.choice(
        [
            {},
            {"step": "review pull", "dataset": DATASET, "annotations": "1"},
            {"step": "commit"},
            {"step": "import", "dataset": DATASET},
            {"step": "restore", "dataset": DATASET, "commit": hub.store.branches()["main"]},
            {"squashed": hub.store.branches()["main"]},
        ]
    )
    path = annotations_file(DATASET, f"{chance.randrange(10**6)}")
    _by_hand(hub, name, {path: (json.dumps(entry) + "\n").encode()}, told)
    hub.merge(name, into="main")


def _annotations_taken_away(hub: Hub, chance: random.Random) -> None:
    name = _fresh(hub, chance)
    store = hub.store
    path = _one(chance, store.objects(name, f"datasets/{DATASET}/annotations/"))
    told = chance.choice([{}, {"step": "review pull", "dataset": DATASET, "annotations": "0"}])
    store.commit(
        name,
        {path: None},
        message="by hand",
        author="mallory",
        time=TIME,
        expected=store.branches()[name],
        metadata=told,
    )
    hub.merge(name, into="main")


def _labels(hub: Hub, chance: random.Random) -> None:
    """Labels turned round by hand, said to be of a fit or of nothing."""
    name = _fresh(hub, chance)
    store = hub.store
    held = store.objects(name, table_prefix(DATASET, "labels"))
    path = _one(chance, held)
    frame = hub.rows.read([store.fetch(held[path])])
    turned = frame.with_columns(label=frame["label"].replace({"spam": "ham", "ham": "spam"}))
    staged = store.stage(".parquet")
    hub.rows.write(turned, staged)
    told = chance.choice([{}, {"step": "label fit", "dataset": DATASET}, {"step": "commit"}])
    _by_hand(hub, name, {path: staged.read_bytes()}, told)
    hub.merge(name, into="main")


def _votes(hub: Hub, chance: random.Random) -> None:
    """Votes turned round by hand. Who says that an LF run made them is not told from one."""
    name = _fresh(hub, chance)
    store = hub.store
    held = store.objects(name, table_prefix(DATASET, "votes"))
    path, oid = _one(chance, held.items())
    turned = bytes(chance.choice([0, 1, 255]) for _ in store.read(oid))
    head = store.branches()["main"]
    told: Mapping[str, str] = chance.choice(
        [
            {},
            {"step": "commit"},
            {"squashed": head},
            {"step": "restore", "dataset": DATASET, "commit": head},
            {"step": "revert", "commit": head},
        ]
    )
    _by_hand(hub, name, {path: turned}, told)
    hub.merge(name, into="main")


# Attacks on the database.


def _database(hub: Hub, statement: str, *values: object) -> None:
    path = hub.settings.own_folder / "versions.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def _head_moved(hub: Hub, chance: random.Random) -> None:
    """Back to an earlier commit of its own, or to one of another branch."""
    line = hub.log("main")
    target = _one(chance, line[1:]).id
    _database(hub, "UPDATE branch SET head = ? WHERE name = 'main'", target)
    if chance.random() < 0.5:
        _database(hub, "DELETE FROM stood")


def _written(hub: Hub, chance: random.Random) -> None:
    """A commit below every door, with what it needs to look like a merge."""
    store = EmbeddedVersionStore(ObjectFiles(hub.settings.own_folder))
    head = store.commit_at("main")
    changes = {"slipped.txt": store.put_bytes(chance.randbytes(4))}
    if chance.random() < 0.6:  # with the verdict of another merge, put right as far as it goes
        old = Verdict.from_json(store.read(store.objects("main", VERDICT)[VERDICT]))
        forged = replace(old, judged_head=head.id, reason=str(chance.random()))
        changes[VERDICT] = store.put_bytes(forged.to_json().encode())
    if chance.random() < 0.3:
        changes["expectations/rows.json"] = store.put_bytes(b"{}")
    parents = chance.choice(
        [(head.id,), (head.id, store.branches()["work"]), (head.parents[0], head.id)]
    )
    with Graph(hub.settings.own_folder / "versions.db").writing() as graph:
        made = commits.written(
            graph,
            trees.edited(graph, commits.tree(graph, head.id), changes),
            parents,
            message="Merge work into main",
            author="ann",
            time=TIME,
            metadata={"verdict": "passed", "kind": "data"},
        )
        graph.set_head("main", made)
        if chance.random() < 0.5:
            graph.note_guarded("main", made, after=head.id)


def _beside_the_verdict(hub: Hub, chance: random.Random) -> None:
    """Data in the tree of datahub's own objects, to which no content id reaches."""
    store = EmbeddedVersionStore(ObjectFiles(hub.settings.own_folder))
    head = store.commit_at("main")
    oid = store.put_bytes(chance.randbytes(4))
    with Graph(hub.settings.own_folder / "versions.db").writing() as graph:
        both = trees.roots(graph, commits.tree(graph, head.id))
        own, nodes = objecttree.edit(both.own, {"slipped.txt": oid}, graph.node)
        graph.add_bodies(nodes)
        hidden = trees.Roots(both.content, own)
        tree = objecttree.node_id(hidden.body())
        graph.add_bodies({tree: hidden.body()})
        made = commits.written(
            graph,
            ObjectID(tree.encode()),
            head.parents,
            message=head.message,
            author=head.author,
            time=head.time,
            metadata=head.metadata,
        )
        graph.set_head("main", made)


def _shadowed(hub: Hub, chance: random.Random) -> None:
    line = hub.log("main")
    name = chance.choice([chance.choice(line).id, chance.choice(line).id[:9], "HEAD", "main "])
    table = chance.choice(["branch", "tag"])
    _database(hub, f"INSERT INTO {table} VALUES (?, ?)", name, line[-1].id)


def _generation(hub: Hub, chance: random.Random) -> None:
    commit = chance.choice(hub.log("main")).id
    number = chance.choice([0, -5, 500])
    _database(hub, 'UPDATE "commit" SET generation = ? WHERE id = ?', number, commit)


def _row_of_history(hub: Hub, chance: random.Random) -> None:
    """A commit or a node changed or removed."""
    if chance.random() < 0.5:
        commit = chance.choice(hub.log("main")).id
        _database(hub, 'UPDATE "commit" SET body = body || ? WHERE id = ?', b"x", commit)
        return
    with Graph(hub.settings.own_folder / "versions.db").reading() as graph:
        root = trees.roots(graph, commits.tree(graph, hub.store.branches()["main"])).content
    if chance.random() < 0.5:
        _database(hub, "DELETE FROM node WHERE id = ?", root)
    else:
        _database(hub, "UPDATE node SET body = body || ? WHERE id = ?", b"x", root)


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


ATTACKS: dict[str, Act] = {
    "a direct commit": _direct,
    "the gate off for a moment": _unguard,
    "main created again": _recut,
    "a forged verdict": _forged_verdict,
    "a name like an id": _named_like_an_id,
    "annotations by hand": _annotations,
    "annotations taken away": _annotations_taken_away,
    "labels by hand": _labels,
    "votes by hand": _votes,
    "main moved in the database": _head_moved,
    "a commit in the database": _written,
    "data beside the verdict": _beside_the_verdict,
    "a shadow in the database": _shadowed,
    "a generation": _generation,
    "a row of history": _row_of_history,
    "an object's bytes": _object,
}
