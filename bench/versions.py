"""Versions, embedded.

Small objects that are in the store already, 100,000 paths in folders of a thousand. The peer is
git's command line with the same objects in its database, and does the same by its plumbing
(update-index --index-info, write-tree, commit-tree, update-ref; diff-tree; merge-tree; branch),
a process a step, as a script would. Both sync what they write (git: core.fsync=all).
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness import Case, Figures, Result, Watch
from bench.peers import stored_mb

if TYPE_CHECKING:
    from datahub.adapters.versions_embedded import EmbeddedVersionStore

TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
MADE = "versions"  # folder of what is made for cases that measure the disk
MANY = 100_000
DISTINCT = 500  # contents: a commit's cost does not depend on how many there are
REPEATS = 20  # of a short step: its cost is the mean


def path_of(i: int) -> str:
    """A path as a table's part has."""
    return f"datasets/news/rows/{i // 1000:03d}/{i:06d}.parquet"


def contents() -> list[bytes]:
    """The objects that paths share."""
    return [f"part {i}\n".encode() * 20 for i in range(DISTINCT)]


def fresh(watch: Watch, name: str) -> Path:
    """An empty folder of this case, removed when all cases are done."""
    folder = watch.scratch / MADE / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Ours:
    """A repository of ours with objects in it."""

    def __init__(self, folder: Path) -> None:
        from datahub.adapters.versions_embedded import EmbeddedVersionStore
        from datahub.machine.bytes.files import ObjectFiles

        self.folder = folder
        self.store: EmbeddedVersionStore = EmbeddedVersionStore.create(
            ObjectFiles(folder / ".datahub"), branch="main", author="ann", time=TIME
        )
        self.oids = [self.store.put(content) for content in contents()]

    def changes(self, count: int, start: int = 0, step: int = 1, shift: int = 0) -> dict[str, str]:
        """So many paths, each with an object."""
        return {
            path_of(i): self.oids[(i + shift) % DISTINCT]
            for i in range(start, start + count * step, step)
        }

    def commit(self, changes: dict[str, str], branch: str = "main") -> None:
        """On top of a branch's head."""
        self.store.commit(
            branch,
            changes,
            message="m",
            author="a",
            time=TIME,
            expected=self.store.commit_at(branch).id,
        )


class Git:
    """A git repository with the same objects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("init", "-q", "-b", "main", ".")
        for name, value in (("core.fsync", "all"), ("user.name", "a"), ("user.email", "a@x")):
            self.run("config", name, value)
        self.run("config", "gc.auto", "0")
        for i, content in enumerate(contents()):
            (folder / f".{i}").write_bytes(content)
        paths = "".join(f".{i}\n" for i in range(DISTINCT))
        self.oids = self.run("hash-object", "-w", "--stdin-paths", given=paths).split()

    def run(self, *words: str, given: str = "") -> str:
        """A command of git's."""
        told = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            input=given,
            check=True,
            capture_output=True,
            text=True,
        )
        return told.stdout

    def lines(self, count: int, start: int = 0, step: int = 1, shift: int = 0) -> str:
        """The same paths as `Ours.changes`, for update-index."""
        return "".join(
            f"100644 {self.oids[(i + shift) % DISTINCT]}\t{path_of(i)}\n"
            for i in range(start, start + count * step, step)
        )

    def commit(self, lines: str, branch: str = "main", *, first: bool = False) -> None:
        """On top of a branch's head."""
        if not first:
            self.run("read-tree", branch)
        self.run("update-index", "--index-info", given=lines)
        parent = [] if first else ["-p", branch]
        made = self.run("commit-tree", "-m", "m", *parent, self.run("write-tree").strip())
        self.run("update-ref", f"refs/heads/{branch}", made.strip())


def commit_ours(watch: Watch, count: int) -> Figures:
    """Commit so many new objects."""
    ours = Ours(fresh(watch, f"ours-{count}"))
    changes = ours.changes(count)
    with watch.timed():
        ours.commit(changes)
    return _stored(ours.folder)


def commit_git(watch: Watch, count: int) -> Figures:
    """The same by git."""
    git = Git(fresh(watch, f"git-{count}"))
    lines = git.lines(count)
    with watch.timed():
        git.commit(lines, first=True)
    return _stored(git.folder)


def ours_many(watch: Watch) -> Ours:
    """A repository with MANY paths; `work` and `main` then change ten of them each."""
    ours = Ours(fresh(watch, "ours-many"))
    ours.commit(ours.changes(MANY))
    ours.store.create_branch("work", at="main")
    ours.commit(ours.changes(10, 7, 9973, shift=1), "work")
    ours.commit(ours.changes(10, 11, 9973, shift=1), "main")
    return ours


def git_many(watch: Watch) -> Git:
    """The same by git."""
    git = Git(fresh(watch, "git-many"))
    git.commit(git.lines(MANY), first=True)
    git.run("branch", "work", "main")
    git.commit(git.lines(10, 7, 9973, shift=1), "work")
    git.commit(git.lines(10, 11, 9973, shift=1), "main")
    return git


def repeated(watch: Watch, step: Callable[[int], object], repeats: int = REPEATS) -> Figures:
    """Time a short step several times; the mean is the case's cost."""
    step(0)
    with watch.timed():
        for i in range(1, repeats + 1):
            step(i)
    watch.cpu = (watch.cpu or 0.0) / repeats
    watch.seconds = (watch.seconds or 0.0) / repeats
    return {"repeats": repeats}


def ten_ours(watch: Watch) -> Figures:
    """Commit ten changed objects of MANY."""
    ours = ours_many(watch)
    return repeated(watch, lambda i: ours.commit(ours.changes(10, 3, 9973, shift=i + 2)))


def ten_git(watch: Watch) -> Figures:
    """The same by git."""
    git = git_many(watch)
    return repeated(watch, lambda i: git.commit(git.lines(10, 3, 9973, shift=i + 2)), 5)


def diff_ours(watch: Watch) -> Figures:
    """What differs between two branches of MANY objects: twenty."""
    ours = ours_many(watch)
    assert len(ours.store.changes("main", "work")) == 20
    return repeated(watch, lambda i: ours.store.changes("main", "work"))


def diff_git(watch: Watch) -> Figures:
    """The same by git."""
    git = git_many(watch)
    return repeated(watch, lambda i: git.run("diff-tree", "-r", "main", "work"), 5)


def merge_ours(watch: Watch) -> Figures:
    """Merge ten changes into a branch that changed ten others: find them, propose and land."""
    from datahub.core.verdict import Verdict
    from datahub.core.versions import merged_changes, suite_hash

    ours = ours_many(watch)
    store = ours.store

    def step(i: int) -> None:
        head, work = store.commit_at("main"), store.commit_at("work")
        base = store.merge_base(head.id, work.id)
        changes, _ = merged_changes(
            store.changes(base.id, head.id), store.changes(base.id, work.id)
        )
        candidate = store.propose(
            work.id,
            into="main",
            changes=changes,
            message="m",
            author="a",
            time=TIME,
            expected=head.id,
        )
        store.land(
            candidate,
            Verdict(
                passed=True,
                content_id=candidate.content_id,
                source=candidate.source,
                judged_head=candidate.judged_head,
                suite_hash=suite_hash(store.objects(head.id, "expectations/")),
                time=TIME,
            ),
        )

    step(0)
    for i in range(1, 6):
        ours.commit(ours.changes(10, 7, 9973, shift=i + 2), "work")
        with watch.timed():
            step(i)
    watch.cpu, watch.seconds = (watch.cpu or 0.0) / 5, (watch.seconds or 0.0) / 5
    return {"repeats": 5}


def merge_git(watch: Watch) -> Figures:
    """The same by git: merge-tree, commit-tree, update-ref."""
    git = git_many(watch)

    def step(i: int) -> None:
        tree = git.run("merge-tree", "--write-tree", "main", "work").strip()
        made = git.run("commit-tree", "-m", "m", "-p", "main", "-p", "work", tree).strip()
        git.run("update-ref", f"refs/heads/merged-{i}", made)

    return repeated(watch, step, 5)


def branch_ours(watch: Watch) -> Figures:
    """Cut a branch of MANY objects."""
    store = ours_many(watch).store
    return repeated(watch, lambda i: store.create_branch(f"cut-{i}", at="main"))


def branch_git(watch: Watch) -> Figures:
    """The same by git."""
    git = git_many(watch)
    return repeated(watch, lambda i: git.run("branch", f"cut-{i}", "main"))


def put_ours(watch: Watch) -> Figures:
    """Store a thousand new objects of a kilobyte, each synced."""
    store = Ours(fresh(watch, "ours-put")).store
    with watch.timed():
        for i in range(1000):
            store.put(f"object {i} ".encode() * 64)
    return {}


def put_git(watch: Watch) -> Figures:
    """The same by git, in one process."""
    git = Git(fresh(watch, "git-put"))
    for i in range(1000):
        (git.folder / f"new-{i}").write_bytes(f"object {i} ".encode() * 64)
    with watch.timed():
        git.run(
            "hash-object", "-w", "--stdin-paths", given="".join(f"new-{i}\n" for i in range(1000))
        )
    return {}


def _stored(folder: Path) -> Figures:
    return {"stored_mb": stored_mb(folder)}


def _without_git(watch: Watch) -> str:
    return "" if shutil.which("git") else "git is not installed"


def _within(seconds: float) -> Callable[[Result], bool]:
    return lambda result: result.ours is not None and result.ours <= seconds


def _case(
    name: str,
    title: str,
    ours: Callable[[Watch], Figures],
    peer: Callable[[Watch], Figures],
    goal: float | None = None,
) -> Case:
    told = {} if goal is None else {"goal": f"<= {goal:g} CPU-s", "met": _within(goal)}
    return Case(name, title, ours, peer, "git command line", needs=_without_git, **told)  # type: ignore[arg-type]


CASES = (
    _case("versions_put_1k", "Store 1,000 objects of 1 kB, synced", put_ours, put_git),
    *(
        _case(
            f"versions_commit_{count}",
            f"Commit {count:,} new objects",
            partial(commit_ours, count=count),
            partial(commit_git, count=count),
            goal,
        )
        for count, goal in ((1, None), (1000, None), (MANY, 1.0))
    ),
    _case("versions_commit_10_of_100k", "Commit 10 changed of 100,000", ten_ours, ten_git, 0.020),
    _case("versions_diff", "20 differences in 100,000 objects", diff_ours, diff_git, 0.005),
    _case(
        "versions_merge", "Merge 10 changes into 10 others of 100,000", merge_ours, merge_git, 0.010
    ),
    _case("versions_branch", "Cut a branch of 100,000 objects", branch_ours, branch_git, 0.002),
)
