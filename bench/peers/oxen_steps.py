"""Steps of Oxen, run by the Python of its own environment in a folder with data in it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import oxen  # type: ignore[import-not-found] # in its own environment
from oxen.user import config_user  # type: ignore[import-not-found]

from bench.harness import Figures, Watch
from bench.peers import changed, tell

REPEATS = 3
BRANCHES = 20


def begun() -> oxen.Repo:
    """A new repository."""
    config_user("a", "a@example.org")
    repo = oxen.Repo(".")
    repo.init()
    return repo


def commit(repo: oxen.Repo, what: str = "data") -> None:
    """What a person does."""
    repo.add(what)
    repo.commit("m")


def row_diff(watch: Watch, repo: oxen.Repo, before: str, after: str) -> Figures:
    """The rows of a Parquet file that a branch changed."""
    shutil.copyfile(before, "rows.parquet")
    commit(repo, "rows.parquet")
    repo.checkout("work", create=True)
    shutil.copyfile(after, "rows.parquet")
    commit(repo, "rows.parquet")
    sides = {"repo_dir": ".", "revision_left": "main", "revision_right": "work"}
    with watch.timed():
        found = oxen.diff("rows.parquet", keys=["id"], **sides).tabular.data
    return {"changed": len(found)}


def main(watch: Watch, step: str, *words: str) -> Figures:
    """A step, and what it took on disk."""
    repo = begun()
    if step == "row_diff":
        return row_diff(watch, repo, *words)
    if step == "commit":
        with watch.timed():
            commit(repo)
        return {"in": ".oxen"}
    commit(repo)
    if step == "branch":
        with watch.timed():
            for i in range(BRANCHES):
                repo.checkout(f"cut-{i}", create=True)
        return {"repeats": BRANCHES}
    for i in range(REPEATS):
        changed(words, i)
        with watch.timed():
            commit(repo)
    return {"repeats": REPEATS}


if __name__ == "__main__":
    watch = Watch(Path(), None)
    tell(watch, main(watch, *sys.argv[1:]))
