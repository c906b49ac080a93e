"""What commands share: the options that many have, and the hub of the project in hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datahub.cli.output import progress_bars, talk
from datahub.cli.state import state

if TYPE_CHECKING:
    from datahub.hub import Hub


def _note_json(as_json: bool) -> bool:
    state.json = as_json
    return as_json


Json = Annotated[
    bool, typer.Option("--json", callback=_note_json, is_eager=True, help="Answer in JSON.")
]
Branch = Annotated[
    str | None, typer.Option("--branch", "-b", help="Branch to work on (default: the current).")
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", "-d", help="Dataset (default: the project's).")
]
CommittedLFs = Annotated[
    bool,
    typer.Option(
        "--committed-lfs",
        help="Hold labels to the LFs of the merge alone, not to those in labeling_functions/.",
    ),
]
Ref = Annotated[str | None, typer.Option("--ref", help="Branch or commit (default: the branch).")]


@contextmanager
def open_hub(branch: str | None = None, **settings: Any) -> Iterator[Hub]:
    """The project's hub, its progress shown on a terminal while the command runs."""
    from datahub.hub import Hub

    warnings: list[str] = []
    try:
        with (
            progress_bars() as progress,
            Hub.open(
                state.folder, branch=branch, progress=progress, warn=warnings.append, **settings
            ) as hub,
        ):
            yield hub
    finally:  # an error may be followed by its cause
        for warning in warnings:
            talk(f"warning: {warning}")
