"""`datahub revert`, `cherry-pick` and `restore`: one commit each on the current branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.consent import Yes, consent
from datahub.cli.context import Branch, Json, open_hub
from datahub.cli.output import emit_json, line
from datahub.cli.settling import (
    Conflicts,
    Decisions,
    OursOption,
    RuleName,
    TheirsOption,
    settling_options,
)
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.core.versions import Commit


def add_to(app: typer.Typer) -> None:
    """Add the commands to the root group."""
    app.command()(revert)
    app.command("cherry-pick")(cherry_pick)
    app.command()(restore)


def revert(
    commit: Annotated[str, typer.Argument(help="Commit whose changes are taken back.")],
    ours: OursOption = False,
    theirs: TheirsOption = False,
    rule: RuleName = None,
    decisions: Decisions = None,
    conflicts: Conflicts = None,
    yes: Yes = False,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Take back what a commit did, by a new commit.

    In conflicts, ours is what the branch holds, theirs what was before the commit.
    Exits 3 when one is left.
    """
    resolution = settling_options(
        ours=ours, theirs=theirs, rule=rule, decisions=decisions, conflicts=conflicts
    )
    with open_hub(branch) as hub:
        _print_commit(
            hub.revert(commit, set_aside=consent(yes=yes), **resolution), hub.branch, json=json
        )


def cherry_pick(
    commit: Annotated[str, typer.Argument(help="Commit whose changes are made again.")],
    ours: OursOption = False,
    theirs: TheirsOption = False,
    rule: RuleName = None,
    decisions: Decisions = None,
    conflicts: Conflicts = None,
    yes: Yes = False,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Do again what a commit did, by a new commit.

    In conflicts, ours is what the branch holds, theirs what the commit made.
    Exits 3 when one is left.
    """
    resolution = settling_options(
        ours=ours, theirs=theirs, rule=rule, decisions=decisions, conflicts=conflicts
    )
    with open_hub(branch) as hub:
        _print_commit(
            hub.cherry_pick(commit, set_aside=consent(yes=yes), **resolution), hub.branch, json=json
        )


def restore(
    ref: Annotated[str, typer.Option("--from", help="Branch, tag or commit that holds it.")],
    dataset: Annotated[str | None, typer.Argument(help="Dataset (default: the project's).")] = None,
    yes: Yes = False,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Bring a dataset back as a ref holds it, by a new commit."""
    with open_hub(branch) as hub:
        _print_commit(
            hub.restore(dataset, ref=ref, set_aside=consent(yes=yes)), hub.branch, json=json
        )


def _print_commit(commit: Commit, branch: str, *, json: bool) -> None:
    if json:
        emit_json(results.Commit.of(commit))
        return
    line(f"[{branch} {commit.id[:12]}] {commit.message.splitlines()[0]}")
