"""`datahub audit`: what came onto a guarded branch without its gate, by history alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from datahub.adapters.versions_embedded import EmbeddedVersionStore, commits, trees
from datahub.adapters.versions_embedded.graph import Graph
from datahub.core.layout import VERDICT
from datahub.core.verdict import Verdict
from datahub.machine.bytes.files import ObjectFiles
from tests.integration.conftest import Datahub

GATES = "expectations/gates.toml"


@pytest.fixture
def merged(datahub: Datahub, labeled: Path) -> Path:
    """A guarded main with one judged merge."""
    ran = datahub("merge", "work", "--into", "main")
    assert ran.code == 0, ran.err
    return labeled


def forge(project: Path, changes: Mapping[str, bytes | None], *, also: tuple[str, ...] = ()) -> str:
    """Put a commit on main below every door, as one who writes into the database does."""
    store = EmbeddedVersionStore(ObjectFiles(project / ".datahub"))
    head = store.commit_at("main")
    put = {path: None if b is None else store.put(b) for path, b in changes.items()}
    with Graph(project / ".datahub" / "versions.db").writing() as graph:
        made = commits.write(
            graph,
            trees.edit(graph, graph.commit(head.id).tree, put),
            (head.id, *also),
            message="Nothing to see here",
            author="mallory",
            time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            metadata={},
        )
        graph.set_head("main", made)
    return made


def own_verdict(project: Path) -> Verdict:
    """The verdict of main's head."""
    store = EmbeddedVersionStore(ObjectFiles(project / ".datahub"))
    return Verdict.from_json(store.read(store.objects("main", VERDICT)[VERDICT]))


def test_a_branch_that_only_its_gate_wrote_is_clean(datahub: Datahub, merged: Path) -> None:
    """The judged merge counts, and the rules are told with their reason."""
    ran = datahub("audit", "main", "--json")

    assert ran.code == 0
    assert (ran.json["guarded"], ran.json["judged"], ran.json["unjudged"]) == (True, 1, [])
    assert [c["reason"] for c in ran.json["rule_changes"]] == ["spam stays below 60%"]
    assert "main is guarded" in datahub("audit").out


def test_a_branch_without_a_gate_is_not_clean(datahub: Datahub, project: Path) -> None:
    """Its commits are free, and nothing vouches for them: it may have been moved there."""
    ran = datahub("audit", "main", "--json")

    assert ran.code == 1
    assert ran.json["guarded_since"] is None
    assert (ran.json["guarded"], ran.json["judged"], ran.json["unjudged"]) == (False, 0, [])


def test_a_branch_that_is_not_there_is_not_found(datahub: Datahub, project: Path) -> None:
    assert datahub("audit", "nowhere").code == 5


@pytest.mark.parametrize("text", [b"null", b"5", b"[]", b"{", b'{"format":1,"passed":"no"}'])
def test_a_verdict_that_is_none_is_named_as_missing(
    datahub: Datahub, merged: Path, text: bytes
) -> None:
    made = forge(merged, {"notes.txt": b"slipped in", VERDICT: text})

    ran = datahub("audit", "main", "--json")

    assert ran.code == 1, ran.err
    [found] = ran.json["unjudged"]
    assert (found["commit"], found["why"]) == (made, ["a commit without a verdict of its own"])


def test_a_direct_commit_is_named(datahub: Datahub, merged: Path) -> None:
    """By id, with its author, and exit code 1."""
    made = forge(merged, {"notes.txt": b"slipped in"})

    ran = datahub("audit", "main", "--json")

    assert ran.code == 1
    (found,) = ran.json["unjudged"]
    assert (found["commit"], found["author"]) == (made, "mallory")
    assert found["why"] == ["a commit without a verdict of its own"]
    assert made[:12] in datahub("audit").out


def test_a_merge_by_another_client_is_named(datahub: Datahub, merged: Path) -> None:
    datahub("branch", "create", "aside", "--from", "work")
    side = datahub("show", "aside", "--json").json["commit"]["id"]

    forge(merged, {"notes.txt": b"merged elsewhere"}, also=(side,))

    (found,) = datahub("audit", "main", "--json").json["unjudged"]
    assert found["why"] == ["a merge without a verdict of its own"]


def test_a_verdict_that_was_copied_covers_nothing_else(datahub: Datahub, merged: Path) -> None:
    """Rewritten with its head put right, it still has other content."""
    raw = json.loads(own_verdict(merged).to_json())
    raw["judged_head"] = datahub("log", "main", "--json").json[0]["id"]

    forge(merged, {"notes.txt": b"slipped in", VERDICT: json.dumps(raw).encode()})

    (found,) = datahub("audit", "main", "--json").json["unjudged"]
    assert found["why"] == ["its verdict is of other content"]


def test_a_refusal_that_landed_is_named(datahub: Datahub, merged: Path) -> None:
    raw = json.loads(own_verdict(merged).to_json()) | {"passed": False}

    forge(merged, {VERDICT: json.dumps(raw).encode()})

    (found,) = datahub("audit", "main", "--json").json["unjudged"]
    assert "its verdict is a refusal" in found["why"]
    assert "its verdict is of another head" in found["why"]


def test_a_commit_that_takes_the_gate_off_is_named_and_told_as_a_change_of_rules(
    datahub: Datahub, merged: Path
) -> None:
    """And so is what follows it on the branch that it left open."""
    made = forge(merged, {GATES: None})
    after = forge(merged, {"notes.txt": b"after that"})

    ran = datahub("audit", "main", "--json")

    assert [one["commit"] for one in ran.json["unjudged"]] == [after, made]
    assert ran.json["rule_changes"][0]["commit"] == made
    assert (ran.json["guarded"], ran.json["rule_changes"][0]["guarded"]) == (False, False)


def test_a_verdict_that_cannot_be_read_is_none(datahub: Datahub, merged: Path) -> None:
    forge(merged, {"notes.txt": b"x", VERDICT: b"{not json"})

    (found,) = datahub("audit", "main", "--json").json["unjudged"]
    assert found["why"] == ["a commit without a verdict of its own"]


def test_rules_changed_with_data_are_named(datahub: Datahub, merged: Path) -> None:
    """Whatever verdict they carry."""
    raw = json.loads(own_verdict(merged).to_json())

    forge(
        merged,
        {"notes.txt": b"x", "expectations/labels.json": b"{}", VERDICT: json.dumps(raw).encode()},
    )

    (found,) = datahub("audit", "main", "--json").json["unjudged"]
    assert "it changes rules together with data" in found["why"]
    assert "it changes rules under a verdict on data" in found["why"]
