"""Attacks on a guarded main by commands, and by calls of the store."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

from bench.soak.gate_project import DATASET, Act, any_of, fresh_branch, hub_on
from datahub import Hub
from datahub.core.layout import annotations_file, table_prefix
from datahub.core.verdict import Verdict
from datahub.core.versions import suite_hash
from tests.tampering import TIME, by_hand


def _direct(hub: Hub, chance: random.Random) -> None:
    by_hand(hub.store, "main", {"slipped.txt": b"in"}, {})


def _unguard(hub: Hub, chance: random.Random) -> None:
    """The gate off, perhaps a commit, the gate on."""
    gates = hub.settings.root / "expectations" / "gates.toml"
    kept = gates.read_text()
    gates.write_text("")
    hub.gate_set(reason="a moment", unguard=True)
    if chance.random() < 0.7:
        _direct(hub_on(hub, "main"), chance)
    if chance.random() < 0.7:
        gates.write_text(kept)
        hub_on(hub, "main").gate_set(reason="again")


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
    hub_on(hub, "main").gate_set(reason="again")


def _forged_verdict(hub: Hub, chance: random.Random) -> None:
    """A merge that lands with a verdict written by hand: everything in it is true, but judged."""
    name = fresh_branch(hub, chance)
    by_hand(hub.store, name, {"slipped.txt": chance.randbytes(4)}, {})
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


def _entry(chance: random.Random) -> dict[str, object]:
    """A line of the log that answers nothing."""
    return {
        "id": f"x{chance.random()}",
        "key": chance.randrange(30),
        "row_hash": "0" * 64,
        "label": "spam",
        "annotator": "mallory",
        "time": "2026-01-02T00:00:00+00:00",
        "batch": "none",
    }


def _annotations(hub: Hub, chance: random.Random) -> None:
    """Answers that nobody gave, by the store's own call, merged through a gate of rows."""
    name = fresh_branch(hub, chance)
    entry = _entry(chance)
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
    by_hand(hub.store, name, {path: (json.dumps(entry) + "\n").encode()}, told)
    hub.merge(name, into="main")


def _annotations_taken_away(hub: Hub, chance: random.Random) -> None:
    name = fresh_branch(hub, chance)
    store = hub.store
    path = any_of(chance, store.objects(name, f"datasets/{DATASET}/annotations/"))
    told = chance.choice([{}, {"step": "review pull", "dataset": DATASET, "annotations": "0"}])
    by_hand(store, name, {path: None}, told)
    hub.merge(name, into="main")


def _labels(hub: Hub, chance: random.Random) -> None:
    """Labels turned round by hand, said to be of a fit or of nothing."""
    name = fresh_branch(hub, chance)
    store = hub.store
    held = store.objects(name, table_prefix(DATASET, "labels"))
    path = any_of(chance, held)
    frame = hub.rows.read([store.fetch(held[path])])
    turned = frame.with_columns(label=frame["label"].replace({"spam": "ham", "ham": "spam"}))
    staged = store.stage(".parquet")
    hub.rows.write(turned, staged)
    told = chance.choice([{}, {"step": "label fit", "dataset": DATASET}, {"step": "commit"}])
    by_hand(hub.store, name, {path: staged.read_bytes()}, told)
    hub.merge(name, into="main")


def _votes(hub: Hub, chance: random.Random) -> None:
    """Votes turned round by hand. Who says that an LF run made them is not told from one."""
    name = fresh_branch(hub, chance)
    store = hub.store
    held = store.objects(name, table_prefix(DATASET, "votes"))
    path, oid = any_of(chance, held.items())
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
    by_hand(hub.store, name, {path: turned}, told)
    hub.merge(name, into="main")


def _from_a_side_branch(hub: Hub, chance: random.Random) -> None:
    """Answers or votes by hand on a side branch; picked, squashed or restored on another."""
    side, name = fresh_branch(hub, chance), fresh_branch(hub, chance)
    store = hub.store
    if chance.random() < 0.5:
        path = annotations_file(DATASET, f"{chance.randrange(10**6)}")
        forged = by_hand(store, side, {path: (json.dumps(_entry(chance)) + "\n").encode()}, {})
    else:
        path, oid = any_of(chance, store.objects(side, table_prefix(DATASET, "votes")).items())
        turned = bytes(chance.choice([0, 1, 255]) for _ in store.read(oid))
        forged = by_hand(store, side, {path: turned}, {})
    onto = hub_on(hub, name)
    take = chance.choice(["pick", "squash", "restore", "pick twice"])
    if take == "squash":
        hub.merge(side, into=name, squash=True, set_aside=True)
    elif take == "restore":
        onto.restore(DATASET, ref=forged.id, set_aside=True)
    else:
        picked = onto.cherry_pick(forged.id, set_aside=True)
        if take == "pick twice":
            name = fresh_branch(hub, chance)
            hub_on(hub, name).cherry_pick(picked.id, set_aside=True)
    if chance.random() < 0.5:
        hub.delete_branch(side, force=True)
    hub.merge(name, into="main", set_aside=True)


CALLS: dict[str, Act] = {
    "a direct commit": _direct,
    "the gate off for a moment": _unguard,
    "main created again": _recut,
    "a forged verdict": _forged_verdict,
    "a name like an id": _named_like_an_id,
    "annotations by hand": _annotations,
    "annotations taken away": _annotations_taken_away,
    "labels by hand": _labels,
    "votes by hand": _votes,
    "forged beside main": _from_a_side_branch,
}
