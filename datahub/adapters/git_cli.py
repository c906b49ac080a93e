"""GitRepositories by git's own command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from datahub.core.errors import ConfigError, Conflict, InputError, StorageError
from datahub.core.versions import ObjectId
from datahub.ports import GitCommit, GitHistory

# What a tag with a message of its own names, not the tag.
_TARGET = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)"

_POINTER = 1024  # bytes: a pointer file is far smaller
_KINDS = {"100755": "an executable", "120000": "a symbolic link", "160000": "a submodule"}

_ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
)


class GitCommandLine:
    """Runs `git`, which must be installed."""

    def write(self, folder: Path, stream: Iterable[bytes], *, branch: str) -> None:
        """Make a repository from what `git fast-import` takes, with `branch` checked out."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Conflict(f"{folder} is not empty.", hint="Name an empty folder.")
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
                hint="Choose another folder, and export again.",
            ) from error

    def history(self, folder: Path) -> GitHistory:
        """Read all commits that a branch or a tag reaches."""
        try:
            shallow = self._read(folder, "rev-parse", "--is-shallow-repository")
        except (FileNotFoundError, NotADirectoryError) as error:
            if folder.is_dir():
                raise ConfigError("git is not installed.", hint="Install git.") from error
            raise InputError(f"{folder} is not there.", hint="Name an exported folder.") from error
        if shallow.strip() == b"true":
            raise InputError(
                f"{folder} is a shallow clone: the beginning of its history is missing.",
                hint="Fetch the rest with `git fetch --unshallow`, then import.",
            )
        output = self._read(
            folder, "rev-list", "--branches", "--tags", "--topo-order", "--reverse", "--parents"
        )
        lines = [line.split() for line in output.decode().splitlines()]
        messages = self._contents(folder, [line[0] for line in lines])
        changes = self._changes(folder, lines)
        commits = [
            GitCommit(id, tuple(parents), messages[id].partition(b"\n\n")[2], changes.get(id, {}))
            for id, *parents in lines
        ]
        blobs = {oid for commit in commits for oid in commit.changes.values() if oid is not None}
        return GitHistory(
            commits,
            self._contents(folder, sorted(blobs), most=_POINTER),
            self._refs(folder, "refs/heads/"),
            self._refs(folder, "refs/tags/"),
        )

    def locate(self, folder: Path, oid: ObjectId) -> Path | None:
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

    def _changes(
        self, folder: Path, lines: Sequence[Sequence[str]]
    ) -> dict[str, dict[str, str | None]]:
        """By commit: what differs from its first parent, from one process for all."""
        request = "".join(f"{' '.join(line[:2])}\n" for line in lines).encode()
        words = ("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", "--root")
        pieces = iter(self._read(folder, *words, stdin=request).split(b"\0")[:-1])
        changes: dict[str, dict[str, str | None]] = {}
        commit = ""
        for piece in pieces:
            if not piece.startswith(b":"):
                commit = piece.decode()
                continue
            _, mode, _, blob, status = piece.decode().split()
            path = next(pieces).decode(errors="surrogateescape")
            if status != "D" and mode != "100644":
                kind = _KINDS.get(mode, f"of mode {mode}")
                raise InputError(
                    f"{path!r} in commit {commit[:12]} is {kind}: an export holds plain files.",
                    hint="Import what `datahub git export` wrote, without commits of others.",
                )
            changes.setdefault(commit, {})[path] = None if status == "D" else blob
        return changes

    def _refs(self, folder: Path, under: str) -> dict[str, str]:
        output = self._read(folder, "for-each-ref", _TARGET, under)
        pairs = [line.split(" ", 1) for line in output.decode().splitlines()]
        return {name.removeprefix(under): target for target, name in pairs}

    def _contents(
        self, folder: Path, ids: Sequence[str], *, most: int | None = None
    ) -> dict[str, bytes]:
        """Commits or blobs by id, from one process; b"" for one larger than `most` bytes."""
        small_ids = self._ids_up_to(folder, ids, most) if most is not None else ids
        output = self._read(folder, "cat-file", "--batch", stdin=_lines(small_ids))
        contents = dict.fromkeys(ids, b"")
        at = 0
        for oid in small_ids:  # "<id> <kind> <size>", the bytes, a newline
            start = output.index(b"\n", at) + 1
            size = _size(folder, output[at:start])
            contents[oid] = output[start : start + size]
            at = start + size + 1
        return contents

    def _ids_up_to(self, folder: Path, ids: Sequence[str], most: int) -> list[str]:
        output = self._read(folder, "cat-file", "--batch-check", stdin=_lines(ids))
        sizes = (_size(folder, line) for line in output.splitlines())
        return [oid for oid, size in zip(ids, sizes, strict=True) if size <= most]

    def _read(self, folder: Path, *words: str, stdin: bytes = b"") -> bytes:
        process = subprocess.run(
            ["git", "--no-replace-objects", *words],
            cwd=folder,
            env=_environment(folder),
            input=stdin,
            capture_output=True,
            check=False,
        )
        if process.returncode != 0:
            stderr = process.stderr.decode(errors="replace").strip()
            raise InputError(
                f"git cannot read {folder}: {(stderr.splitlines() or ['nothing'])[0]}",
                hint="Name a folder that `datahub git export` wrote, or a clone of it.",
            )
        return process.stdout

    def _feed(self, folder: Path, stream: Iterable[bytes]) -> None:
        words = ["git", "fast-import", "--quiet", "--done"]
        with subprocess.Popen(
            words,
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
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
            stderr = process.stderr.read().decode(errors="replace").strip()
        _check(process.returncode, stderr)

    def _run(self, folder: Path, *words: str) -> None:
        process = subprocess.run(
            ["git", *words],
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        _check(process.returncode, process.stderr.strip())


def _environment(folder: Path) -> dict[str, str]:
    """Ours, without what would lead git to another repository than the one in `folder`."""
    variables = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return {**variables, "GIT_CEILING_DIRECTORIES": str(folder.resolve().parent), "LC_ALL": "C"}


def _lines(ids: Sequence[str]) -> bytes:
    return "".join(f"{oid}\n" for oid in ids).encode()


def _size(folder: Path, header: bytes) -> int:
    """The size that `git cat-file` tells of an object. Raises InputError where it lacks it."""
    oid, *rest = header.decode().split()
    if len(rest) != 2:
        raise InputError(
            f"{folder} lacks object {oid[:12]}: it is a partial clone, or damaged.",
            hint="Clone the export again, with all it holds (`git clone --mirror`).",
        )
    return int(rest[1])


def _check(code: int, stderr: str) -> None:
    if code != 0:
        raise StorageError(
            f"git said: {(stderr.splitlines() or ['nothing'])[0]}",
            hint="Is git 2.28 or later installed, and room on the disk? Export to another folder.",
        )
