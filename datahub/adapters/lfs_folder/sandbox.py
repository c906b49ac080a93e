"""A place apart for users' code, made by bubblewrap (`bwrap`) where that works.

There is no network. The project can be read and not written; its hidden files (`.datahub`,
`.env`, `.git`) and datahub.toml are not there. Of the machine there is what Python runs from and
the system's libraries; the home folder and /tmp are empty, and what is written to them is gone at
the end. No process of outside can be seen, and all inside end with the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

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
PROCESSES = 4096  # and threads


def command(bwrap: str, project: Path, *, readable: Sequence[Path] = ()) -> list[str]:
    """What to write before a command, to run it there with this project.

    `readable` are files and folders that can be read beside it, where they are.
    """
    home = Path.home()
    empty = [Path("/tmp"), Path("/var/tmp"), *([home] if home != Path("/") else [])]
    words = [bwrap, *_APART, *_system()]
    words += [word for folder in empty for word in ("--tmpfs", str(folder))]
    there = [path for path in readable if path.exists()]
    for folder in dict.fromkeys([*_imported(home, project), *there]):
        words += _shown(folder)
    words += _shown(project)
    if home.is_relative_to(project) and home != project:
        words += ["--tmpfs", str(home)]
    words += [word for path in _python() for word in ("--ro-bind", str(path), str(path))]
    words += ["--setenv", "TMPDIR", "/tmp", "--chdir", str(_start(project))]
    return [*words, "--"]


@cache
def works(bwrap: str, project: Path) -> bool:
    """Whether Python starts there: containers and systems may forbid it."""
    try:
        tried = subprocess.run(
            [*command(bwrap, project), sys.executable, "-I", "-S", "-c", ""],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            env={},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


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


def _shown(folder: Path) -> Iterator[str]:
    """A folder without its hidden files; links to elsewhere lead nowhere."""
    yield from ("--ro-bind", str(folder), str(folder))
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "datahub.toml":
            yield from _hidden(path, folder)


def _hidden(path: Path, folder: Path) -> Iterator[str]:
    target = path.resolve()
    if target.is_relative_to(folder.resolve()) and target != folder.resolve():
        if target.is_dir():
            yield from ("--tmpfs", str(target))
        elif target.exists():
            yield from ("--ro-bind", "/dev/null", str(target))


def _imported(home: Path, project: Path) -> Iterator[Path]:
    """Folders that Python imports from, outside of its own; never one that others lie in."""
    own = tuple(_python())
    for path in map(Path, filter(None, sys.path)):
        whole = home.is_relative_to(path) or project.is_relative_to(path)
        inside = any(path.is_relative_to(one) for one in (project, Path("/usr"), *own))
        if path.is_absolute() and path.exists() and not (whole or inside):
            yield path
    package = Path(__file__).parents[2]
    if not any(package.is_relative_to(one) for one in own):
        yield package


def _python() -> Iterator[Path]:
    """Where this Python and its packages stand, by every name that leads there."""
    shown = [Path("/usr")]
    for path in (*_prefixes(), *_links(Path(sys.executable))):
        if path.exists() and not any(path.is_relative_to(one) for one in shown):
            shown.append(path)
            yield path


def _prefixes() -> Iterator[Path]:
    home = Path.home()
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    for prefix in map(Path, (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)):
        if not home.is_relative_to(prefix):
            yield from dict.fromkeys((prefix.resolve(), prefix))
        else:  # Python was installed into the home folder itself
            yield from (prefix / "lib", prefix / "bin")
    yield from (Path(sysconfig.get_path(name)) for name in names)


def _links(path: Path) -> Iterator[Path]:
    """What a chain of links leads through."""
    while path.is_symlink():
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path


def _start(project: Path) -> Path:
    here = Path.cwd()
    return here if here.is_relative_to(project) else project
