"""`datahub fsck` and `datahub gc`: what is damaged, and what nothing reaches."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line, talk
from datahub.hub import results


def add_to(app: typer.Typer) -> None:
    """Add the commands to the root group."""
    app.command()(fsck)
    app.command()(gc)


def fsck(
    quick: Annotated[
        bool, typer.Option("--quick", help="Only check that every object exists; do not read them.")
    ] = False,
    json: Json = False,
) -> None:
    """Read all that branches and tags reach, and say what is damaged. Exit 1 if anything is."""
    with open_hub() as hub:
        damages = hub.fsck(deep=not quick)
        names = len(hub.branches()), len(hub.tags())
    if json:
        emit_json(results.Damage.list_of(damages))
    for damage in [] if json else damages:
        line(f"{damage.kind} {damage.id[:12]}: {damage.what} ({damage.where})")
    if damages:
        raise typer.Exit(1)
    talk(_fsck_summary(*names, quick=quick))


def _fsck_summary(branches: int, tags: int, *, quick: bool) -> str:
    """What was looked at, where nothing is wrong."""
    names = f"{branches} {'branch' if branches == 1 else 'branches'}"
    names += f" and {tags} {'tag' if tags == 1 else 'tags'}" if tags else ""
    check = "every object is there (contents were not read)" if quick else "every object was read"
    labels = "" if quick else ", and labels are what people or models said"
    return f"No damage: of {names}, {check}{labels}."


def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be removed.")
    ] = False,
    keep_days: Annotated[
        float, typer.Option(help="Keep what was stored or deleted in the last N days.", min=0)
    ] = 14,
    json: Json = False,
) -> None:
    """Remove commits and objects that nothing reaches. Others may work on meanwhile."""
    with open_hub() as hub:
        report = hub.gc(keep=timedelta(days=keep_days), dry_run=dry_run)
    if json:
        emit_json(results.Collection.of(report, dry_run=dry_run))
        return
    line(
        f"{'would remove' if dry_run else 'removed'} {report.objects} objects "
        f"({report.bytes / 1e6:.1f} MB), {report.commits} commits, {report.nodes} nodes"
    )
    if report.leases:
        line(f"{'would remove' if dry_run else 'removed'} {report.leases} merges that nobody ended")
    if hub.settings.store == "lakefs":
        talk("These lay here. lakeFS collects its own: see docs/lakefs.md.")
    if keep_days and not report.objects:
        talk(f"What was stored or named in the last {keep_days:g} days is kept: --keep-days.")
    if report.at_work:
        text = "1 other process is" if report.at_work == 1 else f"{report.at_work} others are"
        talk(f"{text} at work: what they may be using is kept.")
