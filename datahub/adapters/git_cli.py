"""GitRepositories by git's own command line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from datahub.core.errors import ConfigError, Conflict, InputError, StorageError
from datahub.core.versions import ObjectId
from datahub.ports import GitCommit, GitHistory

# What a tag with a message of its own names, not the tag.
_TARGET = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)"


class GitCommandLine:
    """Runs `git`, which must be installed."""

    def write(self, folder: Path, stream: Iterable[bytes], *, branch: str) -> None:
        """Make a repository from what `git fast-import` takes, with `branch` checked out."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Conflict(f"{folder} holds something already.", hint="Name an empty folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._run(folder, "init", "--quiet", "--initial-branch", branch)
            self._feed(folder, stream)
            self._run(folder, "reset", "--quiet", "--hard")
        except FileNotFoundError as error:
            raise ConfigError("git is not installed.", hint="Install git.") from error
        except OSError as error:
            raise StorageError(
                f"Could not write {folder}: {error}.",
                hint="Choose another folder, and export anew.",
            ) from error

    def history(self, folder: Path) -> GitHistory:
        """Read all commits that a branch or a tag reaches."""
        try:
            listed = self._read(
                folder, "rev-list", "--branches", "--tags", "--topo-order", "--reverse", "--parents"
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            if folder.is_dir():
                raise ConfigError("git is not installed.", hint="Install git.") from error
            raise InputError(f"{folder} is not there.", hint="Name an exported folder.") from error
        commits = [self._commit(folder, *line.split()) for line in listed.decode().splitlines()]
        ids = sorted({oid for one in commits for oid in one.changes.values() if oid is not None})
        return GitHistory(
            commits,
            self._blobs(folder, ids),
            self._refs(folder, "refs/heads/"),
            self._refs(folder, "refs/tags/"),
        )

    def stored(self, folder: Path, oid: ObjectId) -> Path | None:
        """Look for an object in all the layouts there are."""
        plain = folder / oid[:2] / oid[2:]
        lfs = Path("lfs", "objects", oid[:2], oid[2:4], oid)
        places = (
            plain,
            folder / "objects" / oid[:2] / oid[2:],
            folder / lfs,
            folder / ".git" / lfs,
        )
        return next((path for path in places if path.is_file()), None)

    def _commit(self, folder: Path, commit: str, *parents: str) -> GitCommit:
        message = self._read(folder, "cat-file", "commit", commit).partition(b"\n\n")[2]
        sides = [parents[0], commit] if parents else ["--root", commit]
        raw = self._read(
            folder, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", *sides
        ).split(b"\0")
        changes: dict[str, str | None] = {}
        for told, name in zip(raw[0:-1:2], raw[1::2], strict=True):
            _, mode, _, blob, status = told.decode().split()
            path = name.decode(errors="surrogateescape")
            if status != "D" and mode != "100644":
                raise InputError(f"{path!r} in commit {commit[:12]} is no plain file.")
            changes[path] = None if status == "D" else blob
        return GitCommit(commit, parents, message, changes)

    def _refs(self, folder: Path, under: str) -> dict[str, str]:
        told = self._read(folder, "for-each-ref", _TARGET, under)
        pairs = [line.split(" ", 1) for line in told.decode().splitlines()]
        return {name.removeprefix(under): target for target, name in pairs}

    def _blobs(self, folder: Path, ids: list[str]) -> dict[str, bytes]:
        told = self._read(folder, "cat-file", "--batch", given="\n".join([*ids, ""]).encode())
        found: dict[str, bytes] = {}
        at = 0
        for oid in ids:  # "<id> blob <size>", the bytes, a newline
            start = told.index(b"\n", at) + 1
            size = int(told[at:start].split()[2])
            found[oid] = told[start : start + size]
            at = start + size + 1
        return found

    def _read(self, folder: Path, *words: str, given: bytes = b"") -> bytes:
        ran = subprocess.run(
            ["git", "--no-replace-objects", *words],
            cwd=folder,
            input=given,
            capture_output=True,
            check=False,
        )
        if ran.returncode != 0:
            said = ran.stderr.decode(errors="replace").strip()
            raise InputError(
                f"git cannot read {folder}: {(said.splitlines() or ['nothing'])[0]}",
                hint="Name a folder that `datahub git export` wrote, or a clone of it.",
            )
        return ran.stdout

    def _feed(self, folder: Path, stream: Iterable[bytes]) -> None:
        words = ["git", "fast-import", "--quiet", "--done"]
        with subprocess.Popen(
            words, cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            try:
                for piece in stream:
                    process.stdin.write(piece)
                process.stdin.close()
            except BrokenPipeError:
                pass  # what git said of it comes next
            except BaseException:
                process.kill()
                raise
            said = process.stderr.read().decode(errors="replace").strip()
        _check(process.returncode, said)

    def _run(self, folder: Path, *words: str) -> None:
        ran = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        _check(ran.returncode, ran.stderr.strip())


def _check(code: int, said: str) -> None:
    if code != 0:
        raise StorageError(
            f"git said: {(said.splitlines() or ['nothing'])[0]}",
            hint="Is git 2.28 or later installed, and room on the disk? Export to another folder.",
        )
