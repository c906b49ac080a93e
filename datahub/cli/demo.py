"""The demo."""

from pathlib import Path


def run(folder: Path, *, queue: str, as_json: bool) -> None:
    """Run the demo."""
