"""The project's own folder: its current branch, its named files, its rules, its scaffold.

No port: only hub asks, and there is one kind of folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from datahub.core.errors import Conflict, InputError, NotFound, StorageError
from datahub.core.layout import LF_FOLDER
from datahub.core.lf_code import LFFiles
from datahub.machine.disk import using_spare

RULES_FOLDER = "expectations"
GUIDELINES = "guidelines.md"
_PROSE = (".md", ".rst", ".ipynb")  # no LF is made of it


class ProjectFolder:
    """Files of a project that people edit, and `.datahub/HEAD`, which names their branch."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._head = root / ".datahub" / "HEAD"
        self._last = root / ".datahub" / "LAST_HEAD"

    def branch(self) -> str:
        """The current branch; main before anybody switched."""
        with _translate_errors():
            return self._head.read_text().strip() if self._head.exists() else "main"

    def last_branch(self) -> str:
        """The branch before the current one. Raises NotFound before anybody switched twice."""
        with _translate_errors():
            if self._last.exists():
                return self._last.read_text().strip()
        raise NotFound("There was no branch before this one.", hint="`datahub branch` lists them.")

    def switch(self, branch: str) -> None:
        """Make a branch the current one."""
        before = self.branch()
        with _translate_errors():
            self._head.parent.mkdir(parents=True, exist_ok=True)
            with using_spare(self._head.parent):
                _put(self._head, branch)
                if branch != before:
                    _put(self._last, before)

    def files(self, paths: Sequence[str], *, start: Path | None = None) -> dict[str, Path | None]:
        """Named files and all files in named folders, by path in the project.

        Paths are as seen from the folder `start` of the project, else from its root. One that is
        nowhere has no file.
        """
        files: dict[str, Path | None] = {}
        with _translate_errors():
            for path in paths:
                target = self._target(path, start)
                if target.is_dir():
                    files |= self._below(target)
                else:
                    files[self._inside(target)] = target if target.is_file() else None
        return files

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Contents of `files`. Raises NotFound."""
        files = self.files(paths)
        with _translate_errors():
            return {path: _check_exists(path, file).read_bytes() for path, file in files.items()}

    def lf_files(self, models: Collection[str] = ()) -> LFFiles:
        """What LFs come from: all of labeling_functions/ but texts for people, and ONNX `models`.

        Files are by their path in the project, links by their own. What is hidden, or leads out of
        the project, is left out. Raises InputError: the folder itself leads out.
        """
        hashes, texts = {}, {}
        with _translate_errors():
            for path, file in [*self._code_files(), *self._model_files(models)]:
                if path.endswith(".py"):
                    texts[path] = file.read_bytes()
                    hashes[path] = hashlib.sha256(texts[path]).hexdigest()
                else:
                    with file.open("rb") as content:
                        hashes[path] = hashlib.file_digest(content, "sha256").hexdigest()
        return LFFiles(hashes, texts)

    def rules(self) -> dict[str, bytes]:
        """Everything under expectations/ (suites and gates.toml); empty where there is none.

        A link has the name that it has there. Raises InputError for one that leads outside, or to
        a folder below: rules that are passed over in silence are rules that are taken off.
        """
        folder = self._root / RULES_FOLDER
        with _translate_errors():
            return dict(self._rules(folder)) if folder.is_dir() else {}

    def _rules(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        self._inside(folder)
        for path, entry in _entries(folder, f"{RULES_FOLDER}/", links=True):
            file = Path(entry.path)
            self._inside(file)
            if file.is_dir():
                raise InputError(
                    f"{path} is a link to a folder, and rules are no links to folders.",
                    hint="Copy what is in it.",
                )
            yield path, file.read_bytes()

    def guidelines(self) -> str:
        """What the project tells annotators, in Markdown; empty where it says nothing.

        Raises InputError for what is not UTF-8.
        """
        file = self._root / GUIDELINES
        with _translate_errors():
            raw = file.read_bytes() if file.is_file() else b""
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{GUIDELINES} is not UTF-8: {error.reason} at byte {error.start}.",
                hint="Save it as UTF-8.",
            ) from error

    def scaffold(self, files: Mapping[str, str]) -> list[str]:
        """Write files that are not there yet; return their paths. Nothing is overwritten."""
        new_paths = []
        with _translate_errors():
            for path, content in files.items():
                target = self._root / path
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(content, encoding="utf-8")
                    new_paths.append(path)
        return new_paths

    def copy_in(self, source: Path, folder: str, pattern: str) -> None:
        """Make the files of `source` that fit a pattern the project's `folder`, and no others."""
        with _translate_errors():
            shutil.rmtree(self._root / folder, ignore_errors=True)
            (self._root / folder).mkdir(parents=True)
            for file in sorted(source.glob(pattern)):
                if file.is_file():
                    shutil.copyfile(file, self._root / folder / file.name)

    def check_new(self) -> None:
        """Raise Conflict when the folder is a project already."""
        if (self._root / ".datahub" / "versions.db").exists() or self._head.exists():
            raise Conflict(
                f"{self._root} is a datahub project already.", hint="`datahub status` shows it."
            )

    def _below(self, folder: Path) -> Iterator[tuple[str, Path]]:
        """All files of a folder that are not hidden; folders that are links are not entered."""
        inside = self._inside(folder)
        for path, entry in _entries(folder, "" if inside == "." else f"{inside}/"):
            file = Path(entry.path)
            yield (self._inside(file) if entry.is_symlink() else path), file

    def _target(self, path: str, start: Path | None) -> Path:
        target = (self._root if start is None else start.absolute()) / path
        return target if target.exists() or not (self._root / path).exists() else self._root / path

    def _code_files(self) -> Iterator[tuple[str, Path]]:
        folder = self._root / LF_FOLDER
        if folder.is_dir():
            yield from self._code_below(folder, f"{self._inside(folder)}/", frozenset())

    def _code_below(
        self, folder: Path, above: str, ancestors: frozenset[Path]
    ) -> Iterator[tuple[str, Path]]:
        """Files below a folder, with their names after `above`; links to folders are entered."""
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            path, target = f"{above}{entry.name}", entry.resolve()
            if not _is_code(path) or not self._is_inside(entry):
                continue
            if any(map(_is_hidden, self._inside(entry).split("/"))):
                continue
            if entry.is_dir() and target not in ancestors:
                yield from self._code_below(entry, f"{path}/", ancestors | {target})
            elif entry.is_file():
                yield path, entry

    def _model_files(self, models: Collection[str]) -> Iterator[tuple[str, Path]]:
        for path in models:
            file = self._root / path
            if self._is_inside(file) and file.is_file():
                yield path, file

    def _is_inside(self, file: Path) -> bool:
        return file.resolve().is_relative_to(self._root.resolve())

    def _inside(self, file: Path) -> str:
        try:
            return file.resolve().relative_to(self._root.resolve()).as_posix()
        except ValueError as error:
            raise InputError(
                f"{file} is outside the project.", hint="Copy it into the project first."
            ) from error


def _entries(
    folder: Path | str, above: str, *, links: bool = False
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files below a folder, with their names after `above`; `links`: also links to no file."""
    with os.scandir(folder) as scan:
        visible = (entry for entry in scan if not _is_hidden(entry.name))
        entries = sorted(visible, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path, f"{above}{entry.name}/", links=links)
        elif entry.is_file() or (links and entry.is_symlink()):
            yield above + entry.name, entry


def _check_exists(path: str, file: Path | None) -> Path:
    if file is None:
        raise NotFound(f"There is no file {path!r}.", hint="Paths are within the project.")
    return file


def _put(file: Path, branch: str) -> None:
    """Write a branch's name, whole or not at all."""
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        beside.write_text(branch + "\n")
        beside.replace(file)
    finally:  # a full disk leaves it empty
        beside.unlink(missing_ok=True)


def _is_code(path: str) -> bool:
    """Whether an LF can be made of a file; what is hidden, and text for people, is none."""
    is_name = path == path.encode(errors="ignore").decode()  # else no commit can hold it
    is_hidden = any(map(_is_hidden, path.split("/")))
    return is_name and not is_hidden and not path.endswith(_PROSE)


def _is_hidden(piece: str) -> bool:
    return piece.startswith(".") or piece == "__pycache__"


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:
        hint = "Look at the disk and at permissions."
        if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            hint = "Free some space: `datahub gc` frees what nothing reaches, also on a full disk."
        raise StorageError(f"The project's folder: {error}", hint=hint) from error
