"""`datahub audit`: whether everything on a guarded branch came through its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Json, open_hub
from datahub.cli.output import emit_json, line, table
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.publish.audit import Audit


def audit(
    branch: Annotated[str, typer.Argument(help="Guarded branch to audit.")] = "main",
    since: Annotated[
        str | None,
        typer.Option(
            help="A commit that you know to be good (its id): it must be on the branch, and all "
            "after it must be judged."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Name every commit on a guarded branch that did not come through its gate.

    Exits 1 when there is anything to tell: such a commit, a time without a gate, labels or
    annotations that no step brought, a branch that was moved or never guarded, or a signature
    that cannot be told for want of its secret. Changes of the rules are listed with their reasons.
    """
    with open_hub() as hub:
        report = hub.audit(branch, since=since)
    if json:
        emit_json(results.Audit.of(report))
    else:
        _tell(report)
    if not report.clean:
        raise typer.Exit(1)


def _tell(report: Audit) -> None:
    for kind, commits in (("unjudged", report.unjudged), ("unexplained", report.unexplained)):
        for entry in commits:
            line(f"{kind} {entry.commit[:12]} {entry.author} {entry.time:%Y-%m-%d %H:%M}")
            line(f"  {entry.message.splitlines()[0] if entry.message else '(no message)'}")
            line(f"  {'; '.join(entry.why)}")
    for change in report.ungated:
        line(f"ungated {change.commit[:12]} {change.author} {change.time:%Y-%m-%d %H:%M}")
        line(f"  removed the gate: {change.reason or '(no reason)'}")
    for head in report.moved:
        line(f"moved: {report.branch} stood guarded at {head[:12]}, which it holds no more")
    if report.since_fault:
        line(f"since: {report.since_fault}")
    if report.rule_changes:
        rows = [
            (c.commit[:12], f"{c.time:%Y-%m-%d %H:%M}", c.author, c.reason or "(no reason)")
            for c in report.rule_changes
        ]
        table(["rules changed by", "time", "author", "reason"], rows)
    for commit in report.unchecked:
        line(f"unchecked {commit[:12]}: DATAHUB_VERDICT_SECRET does not hold its secret")
    line(_summary(report))


def _summary(report: Audit) -> str:
    if report.guarded_since is None:
        return (
            f"{report.branch} was never guarded: nothing vouches for its {report.commits} commits"
        )
    state = "guarded" if report.guarded else "not guarded"
    counts = f"{report.commits} commits, {report.judged} judged, {len(report.unjudged)} not"
    signatures = f", {report.signed} signed" if report.signed else ""
    where = f"since {report.guarded_since[:12]}"
    free = f"; {report.free} came before its gate" if report.free else ""
    return f"{report.branch} is {state} ({where}): {counts}{signatures}{free}"
