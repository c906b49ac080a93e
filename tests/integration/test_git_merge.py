"""Merges of whole objects against git's own: the same trees, the same conflicts."""

from __future__ import annotations

import random
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from datahub.core.versions import changes_between, merged_changes

# No folder of git's may become a file: what git makes of that is a matter of its own.
PATHS = [f"{folder}/{name}" for folder in ("a", "b/c", "d") for name in "12345"] + ["top"]


def git(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@x", "-c", "merge.renames=false", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0 or not check, ran.stderr
    return ran


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path in PATHS:
        (folder / path).unlink(missing_ok=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def edited(files: dict[str, bytes], chance: random.Random) -> dict[str, bytes]:
    """Some paths set, some taken away. Zero bytes: git merges such files only as wholes."""
    made = dict(files)
    for path in chance.sample(PATHS, chance.randrange(1, 5)):
        if path in made and chance.random() < 0.4:
            del made[path]
        else:
            made[path] = b"\0%d" % chance.randrange(3)
    return made


@pytest.mark.parametrize("seed", range(12))
def test_a_merge_is_what_git_makes_of_it(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    base = edited(edited({}, chance), chance)
    sides = {"main": edited(base, chance), "work": edited(base, chance)}
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, base)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "base")
    git(tmp_path, "branch", "work")
    for branch, files in sides.items():
        git(tmp_path, "checkout", "-q", branch)
        write(tmp_path, files)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", branch)
    git(tmp_path, "checkout", "-q", "main")

    git(tmp_path, "merge", "-q", "--no-ff", "-m", "merge", "work", check=False)
    unmerged = git(tmp_path, "diff", "--name-only", "--diff-filter=U").stdout.split()
    tracked = set(git(tmp_path, "ls-files").stdout.split()) - set(unmerged)
    theirs = {path: sha256((tmp_path / path).read_bytes()).hexdigest() for path in tracked}

    ids = [
        {path: sha256(content).hexdigest() for path, content in files.items()}
        for files in (base, sides["main"], sides["work"])
    ]
    changes, conflicts = merged_changes(*(changes_between(ids[0], side) for side in ids[1:]))
    merged = {path: oid for path, oid in {**ids[1], **changes}.items() if oid is not None}

    assert conflicts == sorted(unmerged)
    assert {path: oid for path, oid in merged.items() if path not in conflicts} == theirs
