"""A place apart for users' code, made by bubblewrap (`bwrap`) where that works.

There is no network. The project can be read and not written; its hidden files (`.datahub`,
`.env`, `.git`, at any depth) and datahub.toml are not there: `coverings` says how far that goes.
Of the machine there is what Python runs from and the system's libraries; the home folder and /tmp
are empty, and what is written to them is gone at the end. No process of outside can be seen, and
all inside end with the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from datahub.adapters.lfs_folder.coverings import hidden_in
from datahub.core.errors import told

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"),
    *("/etc/localtime", "/etc/timezone", "/etc/locale.alias", "/etc/locale.conf"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types", "/etc/fonts"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
)
_APART = (
    *("--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--hostname", "lfs"),
    *("--proc", "/proc", "--dev", "/dev"),
)
_SCRATCH = (Path("/tmp"), Path("/var/tmp"))
PROCESSES = 4096  # and threads


def command(bwrap: str, project: Path, *, readable: Sequence[Path] = ()) -> list[str]:
    """What to write before a command, to run it there with this project.

    `readable` are files and folders that can be read beside it, where they are. A later word
    goes over an earlier one: so the project comes after all that it may lie in, and after it
    only what Python needs of a folder that was covered (`.venv`). Raises ConfigError where the
    project has more hidden files than can be covered.
    """
    home = Path.home()
    words = [bwrap, *_APART, *_system()]
    words += _options("--tmpfs", [path for path in (*_SCRATCH, home) if path != Path("/")])
    paths = [path for path in readable if path.exists()]
    folders = dict.fromkeys([*_import_folders(project), *paths])
    for folder in sorted(folders, key=lambda path: len(path.parts)):  # .venv over what holds it
        words += _bind(folder)
        if folder.is_dir():
            words += _cover(hidden_in(folder, deep=False))
    python = [*_python(project), *_package(project)]
    words += _bind(*(path for path in python if not path.is_relative_to(project)))
    hidden_paths = hidden_in(project, deep=True)
    words += [*_bind(project), *_cover(hidden_paths)]
    if home.is_relative_to(project) and home != project:
        words += ["--tmpfs", str(home)]
        hidden_paths.append(home)
    words += _bind(*(p for p in python if any(p.is_relative_to(cover) for cover in hidden_paths)))
    words += ["--setenv", "TMPDIR", "/tmp", "--chdir", str(_start(project))]
    return [*words, "--"]


def works(bwrap: str, project: Path) -> bool:
    """Whether Python starts there: containers and systems may forbid it."""
    return not failure(bwrap, project)


@cache
def failure(bwrap: str, project: Path) -> str:
    """Why Python does not start there, in a line; empty where it does."""
    try:
        process = subprocess.run(
            [*command(bwrap, project), sys.executable, "-I", "-S", "-c", ""],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            env={},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return told(error)
    lines = process.stderr.decode(errors="replace").strip().splitlines()
    return "" if process.returncode == 0 else [f"exit code {process.returncode}", *lines][-1]


def counts_processes() -> bool:
    """Whether processes inside are counted apart from the user's others (Linux 5.14)."""
    release = os.uname().release.split(".")
    return [int(part) for part in release[:2] if part.isdigit()] >= [5, 14]


def _system() -> Iterator[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink() and len(path.parts) == 2:  # /lib -> usr/lib
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path.resolve()), str(path))


def _options(word: str, paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield from (word, str(path))


def _bind(*paths: Path) -> Iterator[str]:
    for path in paths:
        yield from ("--ro-bind", str(path), str(path))


def _cover(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        if path.is_dir():
            yield from ("--tmpfs", str(path))
        elif path.exists():
            yield from ("--ro-bind", "/dev/null", str(path))


def _import_folders(project: Path) -> Iterator[Path]:
    """Folders of installed packages, outside of Python's own; never one that others lie in.

    The folder of the script that runs, and the current one, which Python puts first, are none.
    """
    inside = (project, Path("/usr"), *_python(project))
    first = _first()
    for path in map(Path, filter(None, sys.path)):
        if not path.is_absolute() or not path.exists() or path.resolve() in first:
            continue
        if not (
            _holds_others(path, project) or any(path.is_relative_to(folder) for folder in inside)
        ):
            yield path


def _first() -> set[Path]:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return {Path.cwd(), *([Path(file).resolve().parent] if file else [])}


def _package(project: Path) -> Iterator[Path]:
    """This package itself, where it is not installed among Python's packages."""
    package = Path(__file__).parents[2]
    if not any(package.is_relative_to(folder) for folder in _python(project)):
        yield package


def _holds_others(path: Path, project: Path) -> bool:
    """Whether the project, the home folder or scratch files lie in it."""
    places = (project, Path.home(), Path.home().resolve(), *_SCRATCH)
    return any(place.is_relative_to(name) for place in places for name in (path, path.resolve()))


def _python(project: Path) -> Iterator[Path]:
    """Where this Python and its packages stand, by every name that leads there."""
    roots = [Path("/usr")]
    for path in (*_prefixes(project), *_links(Path(sys.executable))):
        if path.exists() and not any(path.is_relative_to(root) for root in roots):
            roots.append(path)
            yield path


def _prefixes(project: Path) -> Iterator[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    for prefix in map(Path, (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)):
        for name in dict.fromkeys((prefix.resolve(), prefix)):
            if _holds_others(name, project):  # an environment made in the project, or around it
                yield from (name / part for part in ("lib", "lib64", "bin", "pyvenv.cfg"))
            else:
                yield name
    yield from (Path(sysconfig.get_path(name)) for name in names)


def _links(path: Path) -> Iterator[Path]:
    """What a chain of links leads through."""
    while path.is_symlink():
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path


def _start(project: Path) -> Path:
    current = Path.cwd()
    return current if current.is_relative_to(project) else project
