"""Several processes on one embedded repository: no update is lost, heads move one by one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.crash import TIME
from datahub import Hub
from datahub.adapters.versions_embedded import EmbeddedVersionStore as Store
from datahub.machine.bytes.files import ObjectFiles

pytestmark = pytest.mark.slow

WORKER = """
import json, sys
from pathlib import Path
from bench.crash import TIME
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.machine.bytes.files import ObjectFiles
from datahub.core.errors import StaleHead
from datahub.core.verdict import Verdict
from datahub.core.versions import merged_changes, suite_hash
store, me = EmbeddedVersionStore(ObjectFiles(Path(sys.argv[1]))), sys.argv[2]
store.create_branch(me, at="main")
told, stale = [], 0
sys.stdin.readline()
for i in range(12):
    oid = store.put(f"{me} {i}".encode())
    branch = me if i % 2 else "shared"
    while True:
        head = store.branches()[branch]
        try:
            made = store.commit(branch, {f"{me}/{i}": oid}, message=f"{me}/{i}", author=me,
                                time=TIME, expected=head)
        except StaleHead:
            stale += 1
            continue
        told.append([branch, head, made.id])
        break
    while i % 2:
        head, work = store.commit_at("main"), store.commit_at(me)
        base = store.merge_base(head.id, work.id).id
        changes, conflicts = merged_changes(
            store.changes(base, head.id), store.changes(base, work.id))
        assert not conflicts
        try:
            candidate = store.propose(work.id, into="main", changes=changes, message=f"{me}/{i}",
                                      author=me, time=TIME, expected=head.id)
            made = store.land(candidate, Verdict(
                passed=True, content_id=candidate.content_id, source=work.id,
                judged_head=head.id, suite_hash=suite_hash({}), time=TIME))
        except StaleHead:
            stale += 1
            continue
        told.append(["main", head.id, made.id])
        break
print(json.dumps([told, stale]))
"""


def test_every_acknowledged_change_stands_on_the_head_that_it_was_made_for(tmp_path: Path) -> None:
    """Four processes commit to one branch and to their own, and merge into main."""
    store = Store.create(ObjectFiles(tmp_path / ".datahub"), branch="main", author="a", time=TIME)
    store.create_branch("shared", at="main")
    names = ["one", "two", "three", "four"]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path / ".datahub"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name in names
    ]
    said = [process.communicate("go\n")[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4

    told = [tuple(entry) for text in said for entry in json.loads(text)[0]]

    for branch, count in (("shared", 24), ("main", 24)):
        moves = {old: new for where, old, new in told if where == branch}
        assert len(moves) == count  # no two moves from one head
        line, head = [], store.branches()[branch]
        while head in moves.values():
            line.append(head)
            head = store.commit_at(head).parents[0]
        assert len(line) == count  # and they are one line, without anything between
    wanted = {f"{name}/{i}" for name in names for i in range(12)}
    held = {*store.objects("shared"), *store.objects("main")}
    assert wanted <= held
    assert store.check() == []


def commands(project: Path, *lines: str) -> list[subprocess.CompletedProcess[str]]:
    """Run commands at the same time, each in a process of its own."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "datahub.cli.app", *line.split()],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in lines
    ]
    said = [process.communicate() for process in running]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *texts)
        for process, texts in zip(running, said, strict=True)
    ]


def test_commands_at_the_same_time_lose_nothing_and_losers_are_told(tmp_path: Path) -> None:
    """Commits to one branch, then merges into one, beside tags and gc: run again until in."""
    folder = tmp_path / "project"
    hub, _ = Hub.init(folder, dataset="mail")
    hub.create_branch("shared", at="main")
    names = ("a", "b", "c")
    for name in names:
        (folder / f"{name}.md").write_text(name)
        hub.create_branch(name, at="main")
    rounds = (
        [f"commit {name}.md -m {name} --branch shared" for name in names],
        [f"commit {name}.md -m {name} --branch {name}" for name in names],
        [f"merge {name}" for name in names],
    )

    for number, lines in enumerate(rounds):
        waiting = lines
        while waiting:
            ran = commands(folder, *waiting, "gc --keep-days 0")
            assert ran.pop().returncode == 0
            losers = [one for one in ran if one.returncode != 0]
            assert len(losers) < len(waiting)  # somebody always wins
            for loser in losers:
                assert loser.returncode == 3, loser.stderr
                assert "hint:" in loser.stderr
            waiting = [line for line, one in zip(waiting, ran, strict=True) if one.returncode != 0]
        assert hub.fsck() == [], number

    for branch in ("main", "shared"):
        assert {f"{name}.md" for name in names} <= hub.store.objects(branch).keys()
        assert len(hub.store.log(branch)) == (2 if branch == "main" else 1) * len(names) + 1
