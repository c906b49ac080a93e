"""GitRepositories by git's own command line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from datahub.core.errors import ConfigError, Conflict, StorageError


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
