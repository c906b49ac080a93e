"""The hidden files of a project, which a sandbox covers: by name, at any depth, within a bound.

Nobody can list the names of secrets, so whatever begins with a dot is covered, and datahub.toml.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from datahub.core.errors import ConfigError

MOST_ENTRIES = 100_000  # files and folders that are looked at, those near the root first
MOST_HIDDEN = 1000  # bwrap takes 9000 words
_MOST_TEXT = 500_000  # letters of their paths: a command line has an end
_PACKAGES = {"node_modules", "site-packages"}


def hidden_in(folder: Path, *, deep: bool) -> list[Path]:
    """Where the hidden files and folders of a folder are; `deep`: of those in it, too.

    Not looked into: hidden folders (all of them is covered), links, and folders of packages
    (node_modules, site-packages, Python environments). Links give what they lead to, if that
    is in the folder. Raises ConfigError where there are more than a sandbox can cover.
    """
    own = folder.resolve()
    names = _names(folder) if deep else filter(_is_hidden, folder.iterdir())
    targets = (path.resolve() for path in names)
    paths = sorted({path for path in targets if path != own and path.is_relative_to(own)})
    if len(paths) > MOST_HIDDEN or sum(len(str(path)) for path in paths) > _MOST_TEXT:
        raise ConfigError(
            f"{folder} has {len(paths)} hidden files and folders; a sandbox can cover "
            f"{MOST_HIDDEN}.",
            hint='Remove them, or set sandbox = "none" under [lf] if you trust all LFs.',
        )
    return paths


def _names(folder: Path) -> Iterator[Path]:
    """Nearest to the root first, so that a bound cuts off what is deepest."""
    queue, budget = deque([folder]), MOST_ENTRIES
    while queue and budget > 0:
        for entry in _entries(queue.popleft(), root=folder):
            budget -= 1
            if _is_hidden(entry):
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False) and entry.name not in _PACKAGES:
                queue.append(Path(entry.path))


def _entries(folder: Path, *, root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            inside = list(entries)
    except (FileNotFoundError, PermissionError):  # it went away, or no LF can read it either
        return []
    is_environment = folder != root and any(entry.name == "pyvenv.cfg" for entry in inside)
    return [] if is_environment else inside


def _is_hidden(entry: os.DirEntry[str] | Path) -> bool:
    return entry.name.startswith(".") or entry.name == "datahub.toml"
