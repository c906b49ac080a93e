"""Versions, embedded: files on disk to a commit.

Files of a kilobyte, all different, in folders of a thousand: read, stored and committed. What ours
and git have stored is on the disk when they are done; what DVC and Oxen have need not be. Ours is
`Hub.commit` of the folder; DVC and Oxen are driven by their Python API, each in an environment of
its own (bench/peers), DVC with its pointer committed to git; git by its command line. Each peer
has a case of its own, and ours is measured again beside it. Nothing is removed before all cases
are done (python -m bench does it): for minutes after, ext4 makes new files several times slower.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness import Case, Figures, Result, Side, Watch
from bench.peers import DVC, OXEN, Peer, changed, measured, preparing, stored_mb
from bench.versions import Ours, fresh, repeated

if TYPE_CHECKING:
    from datahub import Hub

SIZES = (1_000, 100_000)
TEN = 10
REPEATS = 3


def path_of(i: int) -> str:
    """Where a file lies."""
    return f"data/{i // 1000:03d}/{i:06d}.part"


def ten_of(count: int) -> list[str]:
    """The files that change."""
    return [path_of(i) for i in range(3, count, count // TEN)]


def made(watch: Watch, files: list[str]) -> Path:
    """A folder with these files."""
    folder = fresh(watch, "files")
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"object {file} " * 40, encoding="utf-8")
    return folder


def all_of(count: int) -> list[str]:
    """The files of a case."""
    return [path_of(i) for i in range(count)]


def hub_in(folder: Path) -> Hub:
    """The folder as a project of ours."""
    from datahub import Hub

    hub, _ = Hub.init(folder, dataset="made")
    hub.store.branches()
    return hub


def commit_ours(watch: Watch, count: int) -> Figures:
    """Commit the folder."""
    folder = made(watch, all_of(count))
    hub = hub_in(folder)
    with watch.timed():
        hub.commit(["data"], message="m")
    return {"stored_mb": stored_mb(folder / ".datahub")}


def ten_ours(watch: Watch, count: int) -> Figures:
    """Commit ten that changed, by their names."""
    folder, files = made(watch, all_of(count)), ten_of(count)
    hub = hub_in(folder)
    hub.commit(["data"], message="m")
    for i in range(REPEATS):
        changed([str(folder / file) for file in files], i)
        with watch.timed():
            hub.commit(files, message="m")
    return _mean(watch)


def diff_ours(watch: Watch, count: int) -> Figures:
    """Which ten of so many objects a commit changed."""
    ours = Ours(made(watch, []))
    ours.commit(ours.changes(count))
    ours.commit(ours.changes(TEN, 3, count // TEN, shift=1))
    return repeated(watch, lambda i: ours.store.changes("main~1", "main"))


def branch_ours(watch: Watch, count: int) -> Figures:
    """Cut a branch."""
    ours = Ours(made(watch, []))
    ours.commit(ours.changes(count))
    return repeated(watch, lambda i: ours.store.create_branch(f"cut-{i}", at="main"))


def of_git(watch: Watch, count: int, *, step: str) -> Figures:
    """The same by git: add and commit."""
    folder = made(watch, all_of(count))
    git = partial(subprocess.run, cwd=folder, check=True, capture_output=True)
    git(["git", "init", "-q", "-b", "main"])
    for name, value in (
        ("core.fsync", "all"),
        ("user.name", "a"),
        ("user.email", "a@example.org"),
        ("gc.auto", "0"),
    ):
        git(["git", "config", name, value])

    def commit(*what: str) -> None:
        git(["git", "add", "--", *what])
        git(["git", "commit", "-qm", "m"])

    if step == "commit":
        with watch.timed():
            commit("data")
        return {"stored_mb": stored_mb(folder / ".git")}
    commit("data")
    for i in range(REPEATS):
        changed([str(folder / file) for file in ten_of(count)], i)
        with watch.timed():
            commit(*ten_of(count))
    return _mean(watch)


def of_peer(watch: Watch, count: int, *, peer: Peer, step: str) -> Figures:
    """The same by a peer: all of its folder, of which ten files changed."""
    folder = made(watch, all_of(count))
    files = ten_of(count) if step in ("ten", "diff") else []
    return measured(peer, watch, step, folder, *files)


def _mean(watch: Watch) -> Figures:
    watch.cpu, watch.seconds = (watch.cpu or 0.0) / REPEATS, (watch.seconds or 0.0) / REPEATS
    return {"repeats": REPEATS}


def _no_more(result: Result) -> bool:
    return result.ours is not None and result.peer is not None and result.ours <= result.peer


def _case(
    step: str, title: str, ours: Callable[..., Figures], peer: Callable[..., Figures], of: str
) -> tuple[Case, ...]:
    prepare: dict[str, Side] = {"DVC": preparing(DVC), "Oxen": preparing(OXEN)}
    goal = "at most the peer's CPU-seconds" if step == "commit" else ""
    return tuple(
        Case(
            f"files_{step}_{count}_{of.partition(' ')[0].lower()}",
            title.format(count=f"{count:,}"),
            partial(ours, count=count),
            partial(peer, count=count, step=step),
            of,
            prepare=prepare.get(of),
            needs=lambda watch: "" if shutil.which("git") else "git is not installed",
            timeout=3600.0,
            goal=goal,
            met=_no_more if goal else None,
        )
        for count in SIZES
    )


_DVC, _OXEN = partial(of_peer, peer=DVC), partial(of_peer, peer=OXEN)
_COMMIT, _TEN = "Commit {count} new files", "Commit 10 changed of {count} files"
CASES = (
    *_case("commit", _COMMIT, commit_ours, of_git, "git command line"),
    *_case("commit", _COMMIT, commit_ours, _DVC, "DVC"),
    *_case("commit", _COMMIT, commit_ours, _OXEN, "Oxen"),
    *_case("ten", _TEN, ten_ours, of_git, "git command line"),
    *_case("ten", _TEN, ten_ours, _DVC, "DVC"),
    *_case("ten", _TEN, ten_ours, _OXEN, "Oxen"),
    *_case("diff", "10 differences in {count} files", diff_ours, _DVC, "DVC"),
    *_case("branch", "Cut a branch of {count} files", branch_ours, _OXEN, "Oxen"),
)
