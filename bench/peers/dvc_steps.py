"""Steps of DVC, run by the Python of its own environment in a folder with files under data/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dvc.repo import Repo  # type: ignore[import-not-found] # in its own environment

from bench.harness import Figures, Watch
from bench.peers import changed, tell

REPEATS = 3


def git(*words: str) -> None:
    """A command of git's, which holds DVC's pointers."""
    subprocess.run(["git", *words], check=True, capture_output=True)


def begun() -> Repo:
    """A new repository."""
    git("init", "-q", "-b", "main")
    git("config", "user.name", "a")
    git("config", "user.email", "a@example.org")
    repo = Repo.init(".")
    git("add", ".dvc", ".dvcignore")
    git("commit", "-qm", "begin")
    return repo


def commit(repo: Repo) -> None:
    """What a person does: dvc add, then git commit of the pointer to the folder."""
    repo.add("data")
    git("add", "data.dvc", ".gitignore")
    git("commit", "-qm", "m")


def main(watch: Watch, step: str, *files: str) -> Figures:
    """A step, and what it took on disk."""
    repo = begun()
    if step == "commit":
        with watch.timed():
            commit(repo)
        return {"in": ".dvc/cache"}
    commit(repo)
    for i in range(REPEATS):
        changed(files, i)
        if step == "ten":
            with watch.timed():
                commit(repo)
        else:
            commit(repo)
            with watch.timed():
                found = repo.diff("HEAD~1", "HEAD")["modified"]
            assert len(found) == len(files) + 1, found  # the folder is one
    return {"repeats": REPEATS}


if __name__ == "__main__":
    watch = Watch(Path(), None)
    tell(watch, main(watch, *sys.argv[1:]))
