"""Where the files stand that the wheel carries from the top level of the repository."""

from __future__ import annotations

from pathlib import Path


def shared_folder(name: str) -> Path:
    """Folder `migrations`, `labeling_functions` or `expectations`, installed or in a checkout."""
    package = Path(__file__).parents[1]
    folder = package / "_share" / name
    return folder if folder.is_dir() else package.parent / name
